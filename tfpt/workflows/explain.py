"""``tfpt explain``: what a run's model looks at in files, as pictures."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpt.atomic_files import writable_folder
from tfpt.errors import RunError, UsageError
from tfpt.run_directory import Run
from tfpt.task import BASELINES, GRAD_CAM, INTEGRATED_GRADIENTS, Explanation, LeftOut, Question
from tfpt.workflows.finished_run import FinishedRun, open_finished
from tfpt.workflows.picture_names import picture_names, plain_name
from tfpt.workflows.run_pictures import own_folder

FOLDER = "explanations"
METHODS = {GRAD_CAM: (GRAD_CAM,), INTEGRATED_GRADIENTS: (INTEGRATED_GRADIENTS,),
           "both": (GRAD_CAM, INTEGRATED_GRADIENTS)}
MOST_NAMED = 10
MOST_STEPS = 10_000


def explain(run: str | Path | Run, inputs: str | Path | Sequence[str | Path], *, method: str = GRAD_CAM,
            class_name: str | None = None, steps: int = 50, baseline: str = "black",
            out: str | Path | None = None) -> Iterator[dict[str, Any]]:
    """Draw what speaks for a class in files and folders, one at a time.

    Args:
        run: a run, its folder or its name.
        inputs: files, or folders of files; or a single one.
        method: ``grad-cam``, ``integrated-gradients``, or ``both`` in one picture.
        class_name: which class; None: the likeliest of each input.
        steps: of integrated gradients; time is in proportion.
        baseline: ``black``, ``grey`` or ``white``, the image that integrated gradients compare with.
        out: the folder that pictures are written to; None: ``explanations`` in the run's.

    Returns:
        In the order of the inputs ``{"input", "label", "score", "class", "class_score", "picture"}``, then, for each
        that can't be read, ``{"input", "error"}``. With integrated gradients also ``"integrated_gradients": {"steps",
        "baseline", "baseline_score", "sum"}``: the sum is ``class_score`` less ``baseline_score``, but for the error of
        so many steps. A picture that has the name of an earlier one replaces it.

    Raises:
        RunError: no such run, or an unfinished one.
        DataError: an input doesn't exist, or a folder has none.
        UsageError: an unknown class or method, no steps, no inputs, ``out`` can't be written, or a task without
            explanations.
    """
    inputs = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    _check(method, steps, baseline, inputs)
    opened = open_finished(run)
    if opened.task.explain is None:
        raise UsageError(f"Expected a run whose answers can be explained, but {opened.run.path} is a run of "
                         f"{opened.task.name}, which has no explanations yet. Choose a run of another task.")
    chosen = None if class_name is None else _class_index(class_name, opened.metadata["class_names"])
    question = Question(METHODS[method], chosen, steps, baseline)
    source, left_out = opened.task.read_inputs(opened.config, opened.metadata, [str(path) for path in inputs])
    folder = _writable(opened.run, out) if len(source) else Path()
    found = opened.task.explain(opened.config, opened.model, source, opened.metadata, question)
    return _answers(opened, source, found, question, folder, left_out)


def _check(method: str, steps: int, baseline: str, inputs: Sequence[Any]) -> None:
    if method not in METHODS:
        raise UsageError(f"Expected one of {', '.join(METHODS)} as the method, but found {method!r}.")
    if baseline not in BASELINES:
        raise UsageError(f"Expected one of {', '.join(BASELINES)} as the baseline, but found {baseline!r}.")
    if not 1 <= steps <= MOST_STEPS:
        raise UsageError(f"Integrated gradients take 1 to {MOST_STEPS:,} steps, but found {steps:,}. 50 will often do.")
    if not inputs:
        raise UsageError("There is nothing to explain: name at least one file or folder.")


def _class_index(name: str, known: Sequence[str]) -> int:
    if name in known:
        return known.index(name)
    near = difflib.get_close_matches(name, known, 3, 0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    more = f" and {len(known) - MOST_NAMED:,} more" if len(known) > MOST_NAMED else ""
    names = ", ".join(known[:MOST_NAMED])
    raise UsageError(f"The model doesn't know the class {name!r}.{hint} It knows {names}{more}.")


def _writable(run: Run, out: str | Path | None) -> Path:
    """The folder that pictures go to, made."""
    if out is None:
        own_folder(run.path / FOLDER, "pictures")
    folder = run.path / FOLDER if out is None else Path(out).expanduser()
    try:
        return writable_folder(folder)
    except RunError as error:
        raise _not_writable(folder, error) from error


def _not_writable(folder: Path, error: RunError) -> UsageError:
    reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else str(error)
    reason = "that is no folder" if folder.exists() and not folder.is_dir() else reason
    return UsageError(f"Expected to write pictures into the folder {folder}, but: {reason}. Name another with "
                      "--out FOLDER.")


def _answers(opened: FinishedRun, source: Any, found: Iterator[Explanation], question: Question, folder: Path,
             left_out: Sequence[LeftOut]) -> Iterator[dict[str, Any]]:
    class_names = opened.metadata["class_names"]
    ending = "_explained.png" if question.class_index is None else \
        f"_explained_as_{plain_name(class_names[question.class_index])}.png"
    files = [folder / name for name in picture_names(source.names, ending)]
    for index, (explanation, file) in enumerate(zip(found, files, strict=True)):
        answer = _answer(explanation, class_names, question)
        _draw(opened.task.show(source, index), explanation, answer, source.names[index], file)
        yield {"input": source.names[index], **answer, "picture": str(file)}
    for item in left_out:
        yield {"input": item.path, "error": item.why}


def _answer(explanation: Explanation, class_names: Sequence[str], question: Question) -> dict[str, Any]:
    probabilities, chosen = explanation.probabilities, explanation.class_index
    answer = {"label": class_names[int(probabilities.argmax())], "score": float(probabilities.max()),
              "class": class_names[chosen], "class_score": float(probabilities[chosen])}
    if INTEGRATED_GRADIENTS not in question.methods:
        return answer
    return {**answer, "integrated_gradients": {
        "steps": question.steps, "baseline": question.baseline, "baseline_score": explanation.baseline_score,
        "sum": explanation.attributed}}


def _draw(shown: Any, explanation: Explanation, answer: Mapping[str, Any], name: str, file: Path) -> None:
    from tfpt.evaluation.explanation_picture import explanation_png

    try:
        explanation_png(shown, explanation.maps, answer, name, file)
    except RunError as error:
        raise _not_writable(file.parent, error) from error
