"""A classifier's scores in words and digits, the same on the screen, on a page and in a model card."""

from collections.abc import Sequence

SCORES = {"accuracy": "accuracy", "top_5_accuracy": "top-5 accuracy", "macro_f1": "macro F1", "roc_auc": "ROC-AUC",
          "loss": "log loss", "brier_score": "Brier score", "expected_calibration_error": "expected calibration error"}
"""The scores of a whole test, most wanted first, and what they are called."""


def score_text(value: float) -> str:
    """With three decimals, or more where it would else be rounded to 1: ``0.912``, ``0.9997``."""
    return f"{min(value, 0.9999):.4f}" if 0.9995 <= value < 1 else f"{value:.3f}"


def interval_text(ends: Sequence[float] | None) -> str:
    """``(0.883–0.941)``; nothing if there is none."""
    return "" if ends is None else f"({score_text(ends[0])}–{score_text(ends[1])})"
