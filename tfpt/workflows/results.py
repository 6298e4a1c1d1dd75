"""What a training leaves behind: the best model in float32, its backbone, its labels."""

import json
import tempfile
from pathlib import Path
from typing import Any

import keras

from tfpt.atomic_files import atomic_write_bytes, atomic_write_text, not_writable
from tfpt.run_directory import Run
from tfpt.task import Splits, Task
from tfpt.training.loop import Loop


def write_model(run: Run, task: Task, config: Any, splits: Splits, loop: Loop) -> keras.Model:
    """Save the best weights as model.keras and backbone.keras, built anew without optimizer and mixed precision."""
    keras.config.set_dtype_policy("float32")
    model = task.build(config, splits.metadata)
    model.set_weights(loop.best_weights)
    backbone, description = task.hand_on(config, model, splits.metadata)
    _save_keras(model, run.model_file)
    _save_keras(backbone, run.backbone_file)
    atomic_write_text(run.backbone_description_file, json.dumps(description, indent=1) + "\n")
    if "class_names" in splits.metadata:
        atomic_write_text(run.labels_file, "".join(f"{name}\n" for name in splits.metadata["class_names"]))
    return model


def _save_keras(model: keras.Model, path: Path) -> None:
    try:
        with tempfile.TemporaryDirectory() as scratch:
            model.save(Path(scratch) / path.name)  # Keras wants a file of that ending
            content = (Path(scratch) / path.name).read_bytes()
    except OSError as error:  # no room for temporary files
        raise not_writable(path, error) from error
    atomic_write_bytes(path, content)
