"""``tfpt evaluate``: how good a run's model is, on its own test split or on other data."""

import functools
import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpt.atomic_files import atomic_write_text
from tfpt.errors import RunError
from tfpt.run_directory import Run
from tfpt.task import Answers, Evaluation, LeftOut, Splits, Task
from tfpt.workflows.finished_data import own_splits, with_data_dir
from tfpt.workflows.finished_run import FinishedRun, open_finished, with_mirror
from tfpt.workflows.run_pictures import TEST, draw_learning_curves, draw_pictures, own_folder, remove_pictures

FLIPPED = "+flip"
"""Ends the name of an evaluation of mirrored averages; no name of data has a plus sign."""


@dataclass(frozen=True)
class Examples:
    """What a model is measured on: ``data`` as ``--data`` has it, None for the run's own test split.

    ``trained_on`` is the run's own training split, if ``source`` is its test split.
    """

    source: Any
    left_out: Sequence[LeftOut] = ()
    data: str | None = None
    trained_on: Any = None


def evaluate(run: str | Path | Run, *, data: str | None = None, data_dir: str | None = None,
             flip: bool = False) -> dict[str, Any]:
    """Score a run's model; also write scores and pictures to ``evaluation/`` in the run's directory.

    Args:
        run: a run, its folder or its name.
        data: labelled data, as ``--data`` takes it, with the run's classes; None: the run's own test split.
        data_dir: where data sets of TensorFlow Datasets are prepared; None: where they were when the run was trained.
        flip: score the mean of the answers to an example and to its mirror image.

    Returns:
        The task's scores with ``run``, ``task``, ``data``, ``flip``, ``left_out``, ``where`` (the file written) and
        ``pictures`` (the files beside it), JSON-able. With ``data`` also ``trained_on_examples``, how many of these
        the run was trained on; None if the run doesn't keep that.

    Raises:
        RunError: no such run, or an unfinished one.
        DataError: the data can't be read, or the run's own data changed since it was trained.
        ConfigError: ``data_dir``, and the data is no data set of TensorFlow Datasets.
        UsageError: ``flip``, and the run's task knows no mirror image.
    """
    opened = with_data_dir(open_finished(run), data_dir, data)
    opened = with_mirror(opened) if flip else opened
    examples = own_test(own_splits(opened)) if data is None else _other_data(opened, data)
    evaluation = opened.task.report(opened.config, opened.model, examples.source, opened.metadata)
    return write_evaluation(opened.run, opened.task, evaluation, examples, flip=flip, draw=True)


def own_test(splits: Splits) -> Examples:
    """The test split of a run's own data."""
    return Examples(splits.test, splits.left_out, trained_on=splits.train)


def write_evaluation(run: Run, task: Task, evaluation: Evaluation, examples: Examples, *, flip: bool = False,
                     draw: bool = False) -> dict[str, Any]:
    """Write an evaluation to ``evaluation/<name>.json``; returns what ``evaluate`` does.

    With ``draw`` its pictures stand beside it; those of an earlier one of that name go. Of the run's own test,
    predictions are kept for ``tfpt compare`` and later pictures. RunError if the run's directory isn't writable.
    """
    report = {"run": str(run.path), "task": task.name, "data": examples.data or TEST, "flip": flip,
              **evaluation.scores, "left_out": [{"path": item.path, "why": item.why} for item in examples.left_out]}
    if examples.data is not None:
        report |= _overlap(run, examples.source, report.get("notes", ()))
    name, notes, pictures = evaluation_name(examples.data, flip), list[str](), list[str]()
    own_folder(run.evaluation)
    if evaluation.answers is not None:
        from tfpt.evaluation.worst import worst_examples

        report["worst"] = worst_examples(evaluation.answers, report["class_names"], examples.source.names)
        if name == TEST:
            _keep_predictions(run, evaluation.answers, examples)
    if draw:
        pictures = draw_pictures(run, name, report, evaluation.answers, functools.partial(task.show, examples.source))
        if name == TEST:
            notes, pictures = _learning_curves(run, pictures)
    remove_pictures(run, name, keep=pictures)
    file = run.evaluation / f"{name}.json"
    atomic_write_text(file, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return {**report, "notes": [*report.get("notes", ()), *notes], "where": str(file), "pictures": pictures}


def _other_data(opened: FinishedRun, data: str) -> Examples:
    source, left_out = opened.task.labelled(opened.config, opened.metadata, data)
    return Examples(source, left_out, data)


def _overlap(run: Run, source: Any, notes: Sequence[str]) -> dict[str, Any]:
    """How many examples of other data the run was trained on, and ``notes`` with what that means."""
    from tfpt.evaluation.stored_predictions import content_hashes, read_predictions

    try:
        stored = read_predictions(run.predictions_file)
    except RunError:  # the scores don't need it
        stored = None
    if stored is None:
        return {"trained_on_examples": None}
    known = set(map(bytes, stored.trained_on))
    found = sum(bytes(content) in known for content in content_hashes(source))
    told = [f"{found:,} of the {len(source):,} examples are among those that the run was trained on: it may well score "
            "lower on new ones."] if found else []
    return {"trained_on_examples": found, "notes": [*notes, *told]}


def _learning_curves(run: Run, pictures: list[str]) -> tuple[list[str], list[str]]:
    """Draws them. Notes, as the scores don't need what they are made of, and the pictures there are then."""
    try:
        return [], [*pictures, *draw_learning_curves(run)]
    except RunError as problem:
        return [f"There are no learning curves. {problem}"], pictures


def _keep_predictions(run: Run, answers: Answers, examples: Examples) -> None:
    from tfpt.evaluation.stored_predictions import StoredPredictions, content_hashes, write_predictions

    write_predictions(StoredPredictions(answers, content_hashes(examples.source),
                                        content_hashes(examples.trained_on)), run.predictions_file)


def evaluation_name(data: str | None, flip: bool) -> str:
    """What its files are called: ``test`` for the run's own test, never for other data."""
    return (TEST if data is None else _file_name(data)) + (FLIPPED if flip else "")


def _file_name(data: str) -> str:
    """A file name for the scores on ``data``: its last part, so that it can't be taken for the run's own test.

    Where it can't be used as it stands, other data would have the same: then it ends in a hash of all of ``data``.
    """
    last = Path(data).name or Path(data).resolve().name
    name = re.sub(r"[^\w.-]+", "-", last).strip("-.") or "data"
    name = f"data-{name}" if name.lower() == TEST else name  # some file systems take Test for test
    whole = os.path.abspath(data) if os.path.exists(data) else data
    return name if name == last else f"{name}-{hashlib.sha256(os.fsencode(whole)).hexdigest()[:8]}"
