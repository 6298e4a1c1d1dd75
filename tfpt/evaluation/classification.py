"""How good class probabilities are: all scores of one evaluation, with their 95 % intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpt.errors import CheckFailed, DataError
from tfpt.evaluation.bootstrap import DRAWS, mean_intervals, roc_auc_interval
from tfpt.evaluation.calibration import confidence_bins, expected_calibration_error
from tfpt.evaluation.intervals import accuracy_interval, macro_f1_interval
from tfpt.evaluation.probability_scores import TOP, brier_scores, log_losses, right_in_top
from tfpt.task import Answers, Evaluation

TOP_ACCURACY = f"top_{TOP}_accuracy"
METHOD = f"95 %: Wilson's of accuracies, the percentile bootstrap's ({DRAWS:,} draws of test examples) of the others"


def classifier_evaluation(probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Evaluation:
    """What a classifier's ``Task.report`` gives: its ``classification_scores``, and the answers scored."""
    return Evaluation(classification_scores(probabilities, labels, class_names), Answers(probabilities, labels))


def classification_scores(probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """All scores of one evaluation, JSON-able.

    Args:
        probabilities: float ``[examples, classes]``, rows sum to 1.
        labels: int ``[examples]``, the true class of each row.
        class_names: one per class.

    Averages, and ``roc_auc``'s one-vs-rest, are over the classes that have examples; ``notes`` says which have none.
    ``loss`` is the log loss, the mean cross-entropy in nats; ``top_5_accuracy`` is there for more than 5 classes;
    ``confusion_matrix`` has a row per true class. ``intervals`` holds ``[low, high]`` of those scores that have a 95 %
    interval; ``expected_calibration_error`` has none, as it is larger in draws from the examples than in themselves.

    Raises:
        DataError: there are no examples.
        CheckFailed: a probability isn't finite.
        ValueError: shapes don't match, or a label is no class.
    """
    _check(probabilities, labels, class_names)
    predicted = probabilities.argmax(axis=1)
    matrix = confusion_matrix(labels, predicted, len(class_names))
    per_class, averages = _per_class(labels, predicted, class_names)
    weakest = min((row for row in per_class if row["support"]), key=lambda row: row["f1"])
    ranked, notes = _roc_auc(probabilities, labels, class_names)
    shares = {"accuracy": int(np.trace(matrix))}
    if len(class_names) > TOP:
        shares[TOP_ACCURACY] = right_in_top(probabilities, labels)
    bins = confidence_bins(probabilities, labels)
    means, intervals = _with_intervals(shares, {"loss": log_losses(probabilities, labels),
                                                "brier_score": brier_scores(probabilities, labels)})
    ranked_interval, ranked_note = _roc_auc_interval(probabilities, labels, ranked)
    return {
        "examples": len(labels), "class_names": list(class_names), **means,
        "expected_calibration_error": expected_calibration_error(bins), **averages, "roc_auc": ranked,
        "intervals": {**intervals, "macro_f1": _interval(macro_f1_interval(matrix)), "roc_auc": ranked_interval},
        "interval_method": METHOD, "weakest_class": {"name": weakest["class"], "f1": weakest["f1"]},
        "per_class": per_class, "confusion_matrix": matrix.tolist(), "confidence_bins": bins,
        "notes": [*notes, *ranked_note]}


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts, int64 ``[true class, predicted class]``."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


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


def _with_intervals(shares: Mapping[str, int],
                    columns: Mapping[str, np.ndarray]) -> tuple[dict[str, float], dict[str, list[float] | None]]:
    """The scores that are means over examples, from how many are right and from each example's value; intervals."""
    values = np.stack(list(columns.values()), axis=1)
    scores = {name: right / len(values) for name, right in shares.items()}
    intervals = {name: _interval(accuracy_interval(right, len(values))) for name, right in shares.items()}
    scores.update(zip(columns, values.mean(axis=0).tolist(), strict=True))
    intervals.update(zip(columns, map(_interval, mean_intervals(values)), strict=True))
    return scores, intervals


def _interval(ends: tuple[float, float] | None) -> list[float] | None:
    """As JSON has it; without width it is none."""
    return None if ends is None or ends[0] == ends[1] else list(ends)


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


def _roc_auc_interval(probabilities: np.ndarray, labels: np.ndarray,
                      score: float | None) -> tuple[list[float] | None, list[str]]:
    """The interval of ROC-AUC, and a note if it isn't made of as many draws as the others."""
    if score is None:
        return None, []
    interval, draws = roc_auc_interval(probabilities, labels, score)
    if draws == DRAWS:
        return _interval(interval), []
    much = f"{len(labels):,} examples of {probabilities.shape[1]:,} classes"
    return _interval(interval), [f"ROC-AUC's interval is of {draws:,} draws: of {much} more would take too long."
                                 if draws else f"ROC-AUC has no interval: of {much} it would take too long."]
