"""What a training leaves behind: the best model in float32, its backbone, its labels, its test scores."""

import json
from typing import Any

import keras

from tfpt.atomic_files import atomic_write_text
from tfpt.evaluation.predictions import predict_probabilities
from tfpt.run_directory import Run
from tfpt.task import Splits, Task
from tfpt.training.loop import Loop
from tfpt.workflows.evaluate import write_report


def write_model(run: Run, task: Task, config: Any, splits: Splits, loop: Loop) -> keras.Model:
    """Save the best weights as model.keras and backbone.keras, built anew without optimizer and mixed precision."""
    keras.config.set_dtype_policy("float32")
    model = task.build(config, splits.metadata)
    model.set_weights(loop.best_weights)
    backbone, description = task.hand_on(config, model, splits.metadata)
    _save_keras(model, run.model_file)
    _save_keras(backbone, run.backbone_file)
    atomic_write_text(run.backbone_description_file, json.dumps(description, indent=1) + "\n")
    atomic_write_text(run.labels_file, "".join(f"{name}\n" for name in splits.metadata["class_names"]))
    return model


def _save_keras(model: keras.Model, path: Any) -> None:
    beside = path.with_name(f"beside-{path.name}")
    model.save(beside)
    beside.replace(path)


def test_model(run: Run, task: Task, config: Any, splits: Splits, model: keras.Model) -> dict[str, Any]:
    """Scores of ``model`` on the test split, written under evaluation/."""
    probabilities = predict_probabilities(model, task.eval_batches(config, splits.test))
    report = task.report(probabilities, splits.test.labels, splits.metadata)
    write_report(run, "test", report)
    return report
