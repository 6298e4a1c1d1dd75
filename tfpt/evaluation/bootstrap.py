"""How far a score may be from that on all data like the test: the percentile bootstrap over test examples (Efron 1979).

Test sets of the same size are drawn from the examples, with replacement; the interval holds the middle 95 % of their
scores. It widens to hold the score itself, which nearly all draws may miss where a class has few examples. A score that
is alike in all draws has no interval: that says nothing of other data.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.stats import rankdata

DRAWS, FEWEST_DRAWS = 1000, 200
CELLS_AT_ONCE = 4_000_000
MOST_CELLS = 200_000_000
"""Draws × examples × classes that ROC-AUC's interval may take, about two seconds; beyond, it has fewer draws."""

Interval = tuple[float, float]


def draws_of(examples: int, seed: int = 0, draws: int = DRAWS) -> Iterator[np.ndarray]:
    """How often each example is in each draw: float32 ``[some draws, examples]``, a few draws at a time."""
    random, at_once = np.random.default_rng(seed), max(1, CELLS_AT_ONCE // examples)
    for first in range(0, draws, at_once):
        rows = min(at_once, draws - first)
        drawn = random.integers(0, examples, (rows, examples)) + examples * np.arange(rows)[:, np.newaxis]
        yield np.bincount(drawn.ravel(), minlength=rows * examples).reshape(rows, examples).astype(np.float32)


def percentile_interval(values: np.ndarray, point: float) -> Interval | None:
    """The middle 95 % of the draws' ``values`` ``[draws]``, and ``point``, the score itself; None if all are alike."""
    low, high = np.percentile(values, [2.5, 97.5])
    low, high = min(float(low), point), max(float(high), point)
    return (low, high) if high > low else None


def mean_intervals(values: np.ndarray, seed: int = 0) -> list[Interval | None]:
    """Intervals of the means of the columns of ``values``, float ``[examples, columns]``."""
    # Means of differences from the mean, so that float32 counts do for values that are far from 0.
    means = values.mean(axis=0)
    centred = (values - means).astype(np.float32)
    drawn = np.concatenate([counts @ centred for counts in draws_of(len(values), seed)]) / len(values) + means
    return [None if np.ptp(column) == 0 else percentile_interval(drawn, float(mean))
            for column, drawn, mean in zip(values.T, drawn.T, means, strict=True)]


def roc_auc_interval(probabilities: np.ndarray, labels: np.ndarray, point: float,
                     seed: int = 0) -> tuple[Interval | None, int]:
    """The interval of macro one-vs-rest ROC-AUC (that of class 1, if there are two), and of how many draws it is.

    Args:
        probabilities: float ``[examples, classes]``.
        labels: int ``[examples]``.
        point: the score itself.

    A draw's average is over the classes that have examples in it. None of 0 draws: it would take too long.
    """
    examples, classes = probabilities.shape
    wanted = [1] if classes == 2 else range(classes)
    draws = min(DRAWS, MOST_CELLS // (examples * len(wanted)))
    if draws < FEWEST_DRAWS:
        return None, 0
    measures = [_weighted_auc(probabilities[:, number], labels == number) for number in wanted]
    averages = []
    for counts in draws_of(examples, seed, draws):
        each = np.stack([measure(np.ascontiguousarray(counts.T)) for measure in measures])  # [classes, draws]
        defined = np.isfinite(each)
        some = defined.any(axis=0)  # else all of a draw's examples are of one class
        averages.append(each.sum(axis=0, where=defined)[some] / defined.sum(axis=0)[some])
    return percentile_interval(np.concatenate(averages), point), draws


def _weighted_auc(scores: np.ndarray, positive: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The function from counts ``[examples, draws]`` to ROC-AUC ``[draws]``; NaN where a draw has one side only.

    It is the share of pairs of a positive and a negative example in which the positive one has the higher score, ties
    being half (Hanley & McNeil 1982).
    """
    order = np.argsort(scores, kind="stable")
    sides = positive[order]
    below = rankdata(scores[order], method="min")[sides] - 1  # examples with a lower score than each positive one
    not_above = rankdata(scores[order], method="max")[sides]

    def measure(counts: np.ndarray) -> np.ndarray:
        counts = counts[order]
        positives = counts[sides]
        negatives = np.zeros((len(order) + 1, counts.shape[1]), np.float32)
        np.cumsum(counts * ~sides[:, np.newaxis], axis=0, out=negatives[1:])
        won = np.einsum("ed,ed->d", positives, (negatives[below] + negatives[not_above]) / 2, dtype=np.float64)
        pairs = positives.sum(axis=0, dtype=np.float64) * negatives[-1]
        return np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0)

    return measure
