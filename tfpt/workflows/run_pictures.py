"""The pictures in a run's ``evaluation/``: of an evaluation, and of the training itself.

A training draws none: they would lengthen a short one by a second, and often nobody looks. ``tfpt evaluate`` and
``tfpt report`` do.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpt.errors import RunError
from tfpt.evaluation import pictures
from tfpt.run_directory import Run
from tfpt.task import Answers
from tfpt.workflows.run_results import read_epochs, read_phases

TEST = "test"


def draw_pictures(run: Run, name: str, report: Mapping[str, Any], answers: Answers | None,
                  show: Callable[[int], Any] | None) -> list[str]:
    """Draw the pictures of the evaluation ``name``.

    Args:
        report: what the evaluation's JSON file holds.
        answers: what was scored; None: the task doesn't classify, and there are no pictures.
        show: gives what is shown of the example of an index; None: examples can't be had.

    Returns:
        The names of the files in ``evaluation/``.
    """
    if answers is None:
        return []
    rows = with_short_names(report["worst"])
    shown = None if show is None else [show(row["index"]) for row in rows]
    return pictures.draw_test_pictures(run.evaluation, _suffix(name), {**report, "worst": rows}, answers, shown)


def draw_learning_curves(run: Run) -> list[str]:
    """Draw the training's; none if its metrics.jsonl is gone. RunError: that is something else."""
    from tfpt.evaluation.learning_curves import learning_curves_png, shared_metrics

    epochs, record = read_epochs(run), run.manifest()
    if not epochs or not shared_metrics(epochs):
        return []
    file = pictures.picture_file(run.evaluation, pictures.LEARNING_CURVES)
    learning_curves_png(epochs, read_phases(record), record.get("best_epoch"), file)
    return [file.name]


def own_folder(folder: Path, what: str = "scores") -> None:
    """Make ``folder`` of a run, for ``what``; RunError if it leads out of the run, or can't be made."""
    if folder.is_symlink():  # a run may be somebody else's
        raise RunError(f"{folder} is a symbolic link, and {what} are written into the run's own folder alone. "
                       "Remove the link, or put the folder itself there.")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"Expected to write the {what} into {folder}, but: {error.strerror}. Make the run's "
                       "directory writable.") from error


def remove_pictures(run: Run, name: str, keep: Sequence[str] = ()) -> None:
    """Remove the pictures of an evaluation called ``name`` but those in ``keep``: they show an earlier one."""
    for picture in (*pictures.OF_A_TEST, *(pictures.OF_A_TRAINING if name == TEST else ())):
        file = pictures.picture_file(run.evaluation, picture, _suffix(name))
        if file.name not in keep:
            file.unlink(missing_ok=True)


def with_short_names(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """``rows`` whose names, if they are files, lack the folders that all of them are in."""
    names = [row["name"] for row in rows]
    common = os.path.commonpath(names) if all(map(os.path.isabs, names)) and len(set(names)) > 1 else ""
    return [{**row, "name": os.path.relpath(row["name"], common) if common else row["name"]} for row in rows]


def _suffix(name: str) -> str:
    return "" if name == TEST else f"_{name}"
