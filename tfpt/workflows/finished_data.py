"""The examples that a finished run is measured on: its own test split, or others."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tfpt import runtime
from tfpt.config.loading import load_config
from tfpt.data.tfds.reference import require_use
from tfpt.errors import DataError
from tfpt.registry import get_task
from tfpt.run_directory import Run
from tfpt.task import LeftOut, Splits, Task
from tfpt.workflows.finished_run import FinishedRun
from tfpt.workflows.run_record import checked_record


def with_data_dir(opened: FinishedRun, data_dir: str | None, data: str | None) -> FinishedRun:
    """The run with another place for data sets of TensorFlow Datasets, of which ``data``, or its own data, is one.

    Raises:
        ConfigError: it isn't.
    """
    if data_dir is None:
        return opened
    require_use(data_dir, data or opened.config.data.path)
    return replace(opened, config=replace(opened.config, data=replace(opened.config.data, data_dir=data_dir)))


def measured_examples(opened: FinishedRun, data: str | None) -> tuple[Any, list[LeftOut]]:
    """The source at ``data``, as ``--data`` takes it, or the run's own test split, and what was left out.

    Raises:
        DataError: the data can't be read, lacks the run's classes, or changed since training.
    """
    if data is not None:
        return opened.task.labelled(opened.config, opened.metadata, data)
    splits = own_splits(opened)
    return splits.test, list(splits.left_out)


def own_splits(opened: FinishedRun) -> Splits:
    """The run's data as they were split for its training. DataError: they changed since, or can't be read."""
    return _splits(opened.task, opened.config, opened.record)


def splits_without_model(run: Run) -> tuple[Task, Splits]:
    """The task of a finished run, and ``own_splits`` of it, where its model isn't needed. RunError, DataError."""
    runtime.quiet_tensorflow()
    record = checked_record(run)
    task = get_task(record["task"])
    config: Any = load_config(task.config_class, recipe=run.config_file)
    return task, _splits(task, config, record)


def _splits(task: Task, config: Any, record: Mapping[str, Any]) -> Splits:
    splits = task.sources(config)
    trained_on = record["fingerprints"].get("data", "")
    if splits.fingerprint != trained_on:
        raise DataError(
            f"The test split of this run can't be had: its data has changed since training (fingerprint "
            f"{splits.fingerprint[:12]}, {trained_on[:12]} when trained), so images of the new test split may have "
            "been trained on. Bring the data back as it was, or name other data with --data PATH.")
    return splits


def at_most(source: Any, examples: int) -> Any:
    """``source``, or that many of its examples, evenly spaced: a split may be sorted by class."""
    if len(source) <= examples:
        return source
    return source.subset(np.linspace(0, len(source) - 1, examples).round().astype(np.int64))
