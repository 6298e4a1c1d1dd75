"""``tfpt evaluate``: how good a run's model is, on its own test split or on other data."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpt.atomic_files import atomic_write_text
from tfpt.errors import RunError
from tfpt.run_directory import Run
from tfpt.task import LeftOut, Task
from tfpt.workflows.finished_data import measured_examples, with_data_dir
from tfpt.workflows.finished_run import open_finished

TEST = "test"


def evaluate(run: str | Path | Run, *, data: str | None = None, data_dir: str | None = None) -> dict[str, Any]:
    """Score a run's model; also write the scores to ``evaluation/`` in the run's directory.

    Args:
        run: a run, its folder or its name.
        data: labelled data, as ``--data`` takes it, with the run's classes; None: the run's own test split.
        data_dir: where data sets of TensorFlow Datasets are prepared; None: where they were when the run was trained.

    Returns:
        The task's scores with ``run``, ``task``, ``data``, ``left_out`` and ``where`` (the file written), JSON-able.

    Raises:
        RunError: no such run, or an unfinished one.
        DataError: the data can't be read, or the run's own data changed since it was trained.
        ConfigError: ``data_dir``, and the data is no data set of TensorFlow Datasets.
    """
    opened = with_data_dir(open_finished(run), data_dir, data)
    source, left_out = measured_examples(opened, data)
    return score(opened.run, opened.task, opened.config, opened.model, source, opened.metadata, data, left_out)


def score(run: Run, task: Task, config: Any, model: Any, source: Any, metadata: Mapping[str, Any],
          data: str | None = None, left_out: Sequence[LeftOut] = ()) -> dict[str, Any]:
    """The task's scores of ``model`` on ``source``, written under the run's evaluation/ and returned."""
    report = {"run": str(run.path), "task": task.name, "data": data or TEST,
              **task.report(config, model, source, metadata),
              "left_out": [{"path": item.path, "why": item.why} for item in left_out]}
    return write_report(run, TEST if data is None else _file_name(data), report)


def write_report(run: Run, name: str, report: dict[str, Any]) -> dict[str, Any]:
    """Write ``report`` to ``evaluation/<name>.json``, and its confusion matrix, if it has one, as a PNG beside.

    Returns the report with ``where``, the JSON file's path. Raises RunError if the run's directory isn't writable.
    """
    from tfpt.evaluation.plots import confusion_matrix_png

    if run.evaluation.is_symlink():  # a run may be somebody else's
        raise RunError(f"{run.evaluation} is a symbolic link, and scores are written into the run's own folder alone. "
                       "Remove the link, or put the folder itself there.")
    try:
        run.evaluation.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"Expected to write the scores into {run.evaluation}, but: {error.strerror}. Make the run's "
                       "directory writable.") from error
    if "confusion_matrix" in report:
        plot = "confusion_matrix.png" if name == TEST else f"confusion_matrix_{name}.png"
        confusion_matrix_png(report["confusion_matrix"], report["class_names"], run.evaluation / plot)
    file = run.evaluation / f"{name}.json"
    atomic_write_text(file, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return {**report, "where": str(file)}


def _file_name(data: str) -> str:
    """A file name for the scores on ``data``: its last part, so that it can't be taken for the run's own test."""
    name = re.sub(r"[^\w.-]+", "-", Path(data).name or Path(data).resolve().name).strip("-.") or "data"
    return f"data-{name}" if name == TEST else name
