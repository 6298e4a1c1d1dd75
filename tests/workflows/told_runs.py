"""Finished runs made of their files alone, without data and model, for what reads only those."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.atomic_files import atomic_write_text
from tfpt.config.loading import from_dict
from tfpt.config.writing import to_yaml
from tfpt.evaluation.classification import classification_scores
from tfpt.evaluation.stored_predictions import HASH_BYTES, StoredPredictions, write_predictions
from tfpt.evaluation.worst import worst_examples
from tfpt.registry import get_task
from tfpt.run_directory import Run
from tfpt.task import Answers

NAMES = ["cat", "dog"]
PHASES = [
    {"from_epoch": 1, "to_epoch": 1, "unfreeze": 0, "units": 153, "head_rate": 1.0, "backbone_rate": 0.1,
     "batch_norm": "frozen", "trainable_parameters": 1234},
    {"from_epoch": 2, "to_epoch": 3, "unfreeze": 10, "units": 153, "head_rate": 1.0, "backbone_rate": 0.1,
     "batch_norm": "frozen", "trainable_parameters": 56789}]
CACHE = {"cuts": [{"name": "block_15_add", "places": [[142, 0]], "values": 504, "saved": 0.816, "ahead": False}],
         "phases": [0, 0], "where": "memory", "kept": True, "rows": 20398, "dtype": "float16", "bytes": 20561184,
         "why": "", "lasting": False}


def hashes(texts: Sequence[Any]) -> np.ndarray:
    """Content hashes of examples called so, uint8 ``[n, 16]``."""
    digests = b"".join(hashlib.sha256(str(text).encode()).digest()[:HASH_BYTES] for text in texts)
    return np.frombuffer(digests, np.uint8).reshape(len(texts), HASH_BYTES)


def answers_of(labels: Sequence[int], right: Sequence[bool], classes: int = 2) -> Answers:
    """Answers that are right or wrong as said, more or less sure."""
    truth = np.asarray(labels, np.int32)
    said = np.where(right, truth, (truth + 1) % classes)
    sure = np.linspace(0.6, 0.95, len(truth))
    probabilities = np.full((len(truth), classes), ((1 - sure) / (classes - 1))[:, np.newaxis])
    probabilities[np.arange(len(truth)), said] = sure
    return Answers(probabilities.astype(np.float32), truth)


def write_told_run(folder: Path, right: Sequence[bool], *, examples: Sequence[Any] | None = None,
                   trained_on: Sequence[Any] = (), labels: Sequence[int] | None = None,
                   class_names: Sequence[str] = NAMES,
                   settings: dict[str, Any] | None = None, fingerprint: str = "f" * 64, **record: Any) -> Run:
    """A finished image classification with test predictions, scores and epochs.

    ``examples`` and ``trained_on`` name what it was tested and trained on; ``right`` says of each test example whether
    it was.
    """
    examples = range(len(right)) if examples is None else examples
    labels = [number % len(class_names) for number in range(len(right))] if labels is None else labels
    answers = answers_of(labels, right, len(class_names))
    run, task = Run(folder), get_task("image_classification")
    run.evaluation.mkdir(parents=True)
    config = from_dict(task.config_class, {"data": {"path": "/nowhere/photos", "image_size": 32}, **(settings or {})},
                       "a test")
    atomic_write_text(run.config_file, to_yaml(config))
    scores = classification_scores(answers.probabilities, answers.labels, class_names)
    names = [f"/nowhere/photos/{class_names[label]}/{text}.jpg" for label, text in zip(labels, examples)]
    report = {"run": str(folder), "task": task.name, "data": "test", "flip": False, **scores, "left_out": [],
              "worst": worst_examples(answers, class_names, names)}
    atomic_write_text(run.evaluation / "test.json", json.dumps(report))
    write_predictions(StoredPredictions(answers, hashes(examples), hashes(trained_on)), run.predictions_file)
    lines = [{"epoch": epoch, "phase": 1 + (epoch > 1), "loss": 1 / epoch, "accuracy": 0.5 + epoch / 10,
              "validation_loss": 1.1 / epoch, "validation_accuracy": 0.4 + epoch / 10} for epoch in (1, 2, 3)]
    atomic_write_text(run.metrics_file, "".join(json.dumps(line) + "\n" for line in lines))
    run.update_manifest(**{
        "task": task.name, "status": "finished", "seed": 0, "epochs": 3, "best_epoch": 3, "phases": PHASES,
        "cache": CACHE, "began": "2026-01-02T03:04:05+00:00", "examples_per_second": 1043.0, "recoveries": [],
        "metadata": {"class_names": list(class_names), "image_size": 32, "class_counts": [3] * len(class_names)},
        "fingerprints": {"data": fingerprint}, "environment": {"devices": ["CPU:0"]}, "versions": {"tfpt": "0.1.0"},
        "wall_seconds": {"total": 31.0, "data": 4.1, "prefix": 13.2, "trace": 3.0, "train": 6.0, "evaluate": 4.7},
        "metrics": {"validation": {"loss": 0.4, "accuracy": 0.8},
                    "test": {name: scores[name] for name in task.headline}},
        "data": {"path": "/nowhere/photos", "summary": f"photos/ · {len(class_names)} classes",
                 "train": len(trained_on), "validation": 5, "test": len(right), "left_out": []}, **record})
    return run
