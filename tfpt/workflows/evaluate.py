"""``tfpt evaluate``: how good a run's model is, on its own test split or on other data."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpt.atomic_files import atomic_write_text
from tfpt.run_directory import Run
from tfpt.task import Answers, Evaluation, LeftOut, Splits, Task
from tfpt.workflows.finished_data import own_splits
from tfpt.workflows.finished_run import FinishedRun, open_finished, with_mirror
from tfpt.workflows.run_pictures import TEST, draw_pictures, own_folder, remove_pictures

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


def evaluate(run: str | Path | Run, *, data: str | None = None, flip: bool = False) -> dict[str, Any]:
    """Score a run's model; also write scores and pictures to ``evaluation/`` in the run's directory.

    Args:
        run: a run, its folder or its name.
        data: labelled data, as ``--data`` takes it, with the run's classes; None: the run's own test split.
        flip: score the mean of the answers to an example and to its mirror image.

    Returns:
        The task's scores with ``run``, ``task``, ``data``, ``flip``, ``left_out``, ``where`` (the file written) and
        ``pictures`` (the files beside it), JSON-able.

    Raises:
        RunError: no such run, or an unfinished one.
        DataError: the data can't be read, or the run's own data changed since it was trained.
        UsageError: ``flip``, and the run's task knows no mirror image.
    """
    opened = open_finished(run)
    opened = with_mirror(opened) if flip else opened
    examples = own_test(own_splits(opened)) if data is None else _other_data(opened, data)
    evaluation = opened.task.report(opened.config, opened.model, examples.source, opened.metadata)
    report = write_evaluation(opened.run, opened.task, evaluation, examples, flip)
    pictures = draw_pictures(opened.run, evaluation_name(data, flip), report, evaluation.answers,
                             lambda index: opened.task.show(examples.source, index))
    return {**report, "where": str(_scores_file(opened.run, data, flip)), "pictures": pictures}


def own_test(splits: Splits) -> Examples:
    """The test split of a run's own data."""
    return Examples(splits.test, splits.left_out, trained_on=splits.train)


def write_evaluation(run: Run, task: Task, evaluation: Evaluation, examples: Examples,
                     flip: bool = False) -> dict[str, Any]:
    """Write an evaluation to ``evaluation/<name>.json``, and return what is in it.

    Pictures of an earlier evaluation of that name go; of the run's own test, predictions are kept for ``tfpt compare``
    and for new pictures. RunError if the run's directory isn't writable.
    """
    report = {"run": str(run.path), "task": task.name, "data": examples.data or TEST, "flip": flip,
              **evaluation.scores, "left_out": [{"path": item.path, "why": item.why} for item in examples.left_out]}
    own_folder(run)
    name = evaluation_name(examples.data, flip)
    if evaluation.answers is not None:
        from tfpt.evaluation.worst import worst_examples

        report["worst"] = worst_examples(evaluation.answers, report["class_names"], examples.source.names)
        if name == TEST:
            _keep_predictions(run, evaluation.answers, examples)
    remove_pictures(run, name)
    file = _scores_file(run, examples.data, flip)
    atomic_write_text(file, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return report


def _other_data(opened: FinishedRun, data: str) -> Examples:
    source, left_out = opened.task.labelled(opened.config, opened.metadata, data)
    return Examples(source, left_out, data)


def _keep_predictions(run: Run, answers: Answers, examples: Examples) -> None:
    from tfpt.evaluation.stored_predictions import StoredPredictions, content_hashes, write_predictions

    write_predictions(StoredPredictions(answers, content_hashes(examples.source),
                                        content_hashes(examples.trained_on)), run.predictions_file)


def evaluation_name(data: str | None, flip: bool) -> str:
    """What its files are called: ``test`` for the run's own test, never for other data."""
    return (TEST if data is None else _file_name(data)) + (FLIPPED if flip else "")


def _scores_file(run: Run, data: str | None, flip: bool) -> Path:
    return run.evaluation / f"{evaluation_name(data, flip)}.json"


def _file_name(data: str) -> str:
    """A file name for the scores on ``data``: its last part, so that it can't be taken for the run's own test."""
    name = re.sub(r"[^\w.-]+", "-", Path(data).name or Path(data).resolve().name).strip("-.") or "data"
    return f"data-{name}" if name == TEST else name
