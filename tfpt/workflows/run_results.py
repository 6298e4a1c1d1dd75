"""What a finished run says of itself in files, checked part by part, as it may be somebody else's. No TensorFlow."""

import json
import math
from collections.abc import Mapping
from typing import Any

from tfpt.atomic_files import read_own_text
from tfpt.errors import RunError
from tfpt.run_directory import Run
from tfpt.run_manifest import read_manifest

NUMBER, MAYBE = (int, float), (int, float, type(None))
PHASE = {"from_epoch": int, "to_epoch": int, "unfreeze": int, "units": int, "batch_norm": str,
         "trainable_parameters": int, "head_rate": NUMBER, "backbone_rate": NUMBER}
CLASS_ROW = {"class": str, "precision": NUMBER, "recall": NUMBER, "f1": NUMBER, "support": int}
BIN = {"from": NUMBER, "to": NUMBER, "examples": int, "confidence": MAYBE, "accuracy": MAYBE}
WORST = {"index": int, "name": str, "truth": str, "predicted": str, "score": NUMBER, "truth_score": NUMBER,
         "loss": NUMBER}
TEST_SCORES = {"examples": int, "class_names": [str], "confusion_matrix": [[int]], "per_class": [CLASS_ROW],
               "confidence_bins": [BIN], "worst": [WORST], "intervals": dict, "interval_method": str, "notes": [str],
               "weakest_class": {"name": str, "f1": NUMBER},
               "accuracy": NUMBER, "loss": NUMBER, "roc_auc": MAYBE, "brier_score": NUMBER,
               "expected_calibration_error": NUMBER,
               **{f"{kind}_{score}": NUMBER for kind in ("macro", "weighted")
                  for score in ("precision", "recall", "f1")}}


def read_epochs(run: Run) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; none if there is no such file. RunError: it is something else."""
    try:
        lines = read_own_text(run.metrics_file).splitlines()
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RunError(f"{run.metrics_file} can't be read: {error}. Remove it, or bring back what the training wrote "
                       "there.") from error
    try:
        epochs = [json.loads(line) for line in lines]
        fits = all(has_shape(line, {"epoch": int}) and has_shape(list(line.values()), [MAYBE]) for line in epochs)
    except (ValueError, RecursionError):
        fits = False
    if not fits or [line["epoch"] for line in epochs] != list(range(1, len(epochs) + 1)):
        raise RunError(f"Expected in {run.metrics_file} a line of JSON with numbers for each epoch, from 1 on, but "
                       "found something else. Remove it, or bring back what the training wrote there.")
    return epochs


def read_phases(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The freeze schedule in run.json; empty if there is none. RunError: it isn't one."""
    phases = record.get("phases") or []
    if not has_shape(phases, [PHASE]):
        raise RunError("Expected the run's run.json to hold phases as a training writes them, but it does not: it is "
                       "damaged, or something else wrote it. Bring back the original.")
    return list(phases)


def read_test_scores(run: Run) -> dict[str, Any] | None:
    """evaluation/test.json; None if there is none. RunError: it isn't what this tfpt writes for a classifier."""
    file = run.evaluation / "test.json"
    if not file.is_file():
        return None
    scores = read_manifest(file)
    if not has_shape(scores, TEST_SCORES) or not _belong_together(scores):
        raise RunError(f"Expected in {file} the scores that this version of tfpt writes there, but found something "
                       f"else. `tfpt evaluate {run.path}` writes it anew.")
    return scores


def has_shape(value: Any, shape: Any) -> bool:
    """Whether a JSON value is of that shape.

    A shape is a type, or a tuple of types, where a number finite and, if whole, of 64 bits; ``[shape]`` for a list; a
    dict of shapes for an object with at least those names.
    """
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(name in value and has_shape(value[name], inner)
                                               for name, inner in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(has_shape(item, shape[0]) for item in value)
    if isinstance(value, bool):
        return shape is bool
    if isinstance(value, int) and not -2**63 <= value < 2**63 or isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, shape)


def _belong_together(scores: Mapping[str, Any]) -> bool:
    """Whether the parts of an evaluation are of the same classes and examples, and its intervals have two ends."""
    if not all(ends is None or has_shape(ends, [NUMBER]) and len(ends) == 2 for ends in scores["intervals"].values()):
        return False
    names, matrix, examples = scores["class_names"], scores["confusion_matrix"], scores["examples"]
    counts = [count for row in matrix for count in row]
    return (len(matrix) == len(names) == len(scores["per_class"]) and all(len(row) == len(names) for row in matrix)
            and examples > 0 and min(counts, default=0) >= 0 and sum(counts) == examples
            and all(0 <= row["index"] < examples for row in scores["worst"])
            and all(map(_is_bin, scores["confidence_bins"]))
            and sum(row["examples"] for row in scores["confidence_bins"]) == examples)


def _is_bin(row: Mapping[str, Any]) -> bool:
    """Whether a bin has means if, and only if, it has examples."""
    means = [row["confidence"] is not None, row["accuracy"] is not None]
    return all(means) if row["examples"] > 0 else row["examples"] == 0 and not any(means)
