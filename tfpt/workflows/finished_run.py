"""Opening a finished run: its record, its task, its config and its model."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfpt import runtime
from tfpt.config.loading import load_config
from tfpt.errors import RunError, UsageError
from tfpt.registry import get_task
from tfpt.run_directory import Run, find_run
from tfpt.task import Task
from tfpt.workflows.run_record import checked_record


@dataclass(frozen=True)
class FinishedRun:
    """A run whose ``model`` (a keras.Model) is ready for inference in float32."""

    run: Run
    record: Mapping[str, Any]
    task: Task
    config: Any
    model: Any

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the data told the model builder, such as ``class_names``."""
        metadata: Mapping[str, Any] = self.record["metadata"]
        return metadata


def model_sha256(run: Run) -> str | None:
    """Of the run's model.keras, in hexadecimal; None if there is none to read."""
    try:
        return hashlib.sha256(run.model_file.read_bytes()).hexdigest()
    except OSError:
        return None


def open_finished(run: str | Path | Run) -> FinishedRun:
    """Open a run by itself, its folder or its name. RunError: there is none, or it has no final model."""
    runtime.quiet_tensorflow()
    from tfpt.evaluation.inference import load_model

    run = run if isinstance(run, Run) else find_run(run)
    record = checked_record(run)
    task = get_task(record["task"])
    config: Any = load_config(task.config_class, recipe=run.config_file)
    runtime.configure(record.get("seed", 0), "float32")
    model = load_model(run)
    _check_belong_together(run, record["metadata"], config, model)
    return FinishedRun(run, record, task, config, model)


def with_mirror(opened: FinishedRun) -> FinishedRun:
    """``opened`` with the model that averages its answers to an example and to its mirror image."""
    if opened.task.mirrored is None:
        raise UsageError(f"--flip averages over an image and its mirror, but {opened.run.path} is a run of "
                         f"{opened.task.name}, whose inputs have none. Leave it out.")
    return replace(opened, model=opened.task.mirrored(opened.model))


def _check_belong_together(run: Run, metadata: Mapping[str, Any], config: Any, model: Any) -> None:
    """RunError if the model isn't the one that run.json and config.yaml tell of: one of the three was exchanged."""
    classes, size = metadata.get("class_names"), metadata.get("image_size")
    if classes is not None and len(classes) != model.output_shape[-1]:
        found = f"{len(classes)} classes in run.json, {model.output_shape[-1]} in model.keras"
    elif size is not None and not size == config.data.image_size == model.input_shape[1]:
        found = (f"an image size of {size} in run.json, {config.data.image_size} in config.yaml, "
                 f"{model.input_shape[1]} in model.keras")
    else:
        return
    raise RunError(f"Expected the files in {run.path} to be of one training, but found {found}. Bring back those that "
                   "tfpt wrote there, or train again.")
