"""How good class probabilities are: accuracy, F1, ROC-AUC, confusion matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpt.errors import CheckFailed, DataError

SMALLEST_PROBABILITY = 1e-7


def classification_scores(probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """All scores of one evaluation, JSON-able.

    Args:
        probabilities: float ``[examples, classes]``, rows sum to 1.
        labels: int ``[examples]``, the true class of each row.
        class_names: one per class.

    Averages, and ``roc_auc``'s one-vs-rest, are over the classes that have examples; ``notes`` says which have none.
    ``loss`` is the mean cross-entropy in nats; ``confusion_matrix`` has a row per true class.

    Raises:
        DataError: there are no examples.
        CheckFailed: a probability isn't finite.
        ValueError: shapes don't match, or a label is no class.
    """
    _check(probabilities, labels, class_names)
    predicted = probabilities.argmax(axis=1)
    per_class, averages = _per_class(labels, predicted, class_names)
    roc_auc, notes = _roc_auc(probabilities, labels, class_names)
    tested = [row for row in per_class if row["support"]]
    weakest = min(tested, key=lambda row: row["f1"])
    truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    matrix = np.zeros((len(class_names), len(class_names)), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return {
        "examples": len(labels),
        "class_names": list(class_names),
        "accuracy": float((predicted == labels).mean()),
        "loss": float(-np.log(np.clip(truth, SMALLEST_PROBABILITY, 1.0)).mean()),
        **averages,
        "roc_auc": roc_auc,
        "weakest_class": {"name": weakest["class"], "f1": weakest["f1"]},
        "per_class": per_class,
        "confusion_matrix": matrix.tolist(),
        "notes": notes,
    }


def _check(probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> None:
    if probabilities.shape != (len(labels), len(class_names)):
        raise ValueError(f"expected probabilities [{len(labels)}, {len(class_names)}], got {probabilities.shape}")
    if len(labels) == 0:
        raise DataError("There are no examples to score: every one was left out, or the data set is empty.")
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise ValueError(f"expected labels in 0…{len(class_names) - 1}, got {labels.min()}…{labels.max()}")
    if not np.isfinite(probabilities).all():
        rows = int((~np.isfinite(probabilities)).any(axis=1).sum())
        raise CheckFailed(f"The model gives probabilities that aren't finite for {rows} of {len(labels)} examples: its "
                          "weights are damaged, or its training diverged. Train it again with a lower "
                          "--learning-rate.")


def _per_class(labels: np.ndarray, predicted: np.ndarray,
               class_names: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """A row per class (scores 0 without examples), and the macro and weighted averages of those with examples."""
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(class_names)), zero_division=0)
    scores = {"precision": precision, "recall": recall, "f1": f1}
    tested = support > 0
    rows = [{"class": name, **{score: float(values[i]) for score, values in scores.items()},
             "support": int(support[i])} for i, name in enumerate(class_names)]
    macro = {f"macro_{score}": float(values[tested].mean()) for score, values in scores.items()}
    weighted = {f"weighted_{score}": float(np.average(values, weights=support)) for score, values in scores.items()}
    return rows, macro | weighted


def _roc_auc(probabilities: np.ndarray, labels: np.ndarray,
             class_names: Sequence[str]) -> tuple[float | None, list[str]]:
    """Macro one-vs-rest area under the ROC curve (that of class 1, if there are two), and notes if there is none."""
    from sklearn.metrics import roc_auc_score

    absent = [name for i, name in enumerate(class_names) if not (labels == i).any()]
    if absent:
        shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
        return None, [f"No examples of {shown}: ROC-AUC is not defined, and averages are over the other classes."]
    classes = [1] if len(class_names) == 2 else range(len(class_names))
    if len(class_names) == 1:
        return None, ["There is only one class: ROC-AUC is not defined."]
    return float(np.mean([roc_auc_score(labels == i, probabilities[:, i]) for i in classes])), []
