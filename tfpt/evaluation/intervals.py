"""How far a score on a test set may be from that on all data like it: 95 % intervals of accuracy and macro F1."""

from collections.abc import Sequence

import numpy as np

from tfpt.evaluation.bootstrap import DRAWS

Z_95 = 1.959963984540054
"""The standard normal's 97.5th percentile."""

CELLS_AT_ONCE = 2_000_000


def accuracy_interval(right: int, examples: int) -> tuple[float, float]:
    """Lower and upper end of the score interval (Wilson 1927) of ``right`` answers in ``examples`` independent ones.

    Raises:
        ValueError: there are no examples, or more right answers than examples.
    """
    if not 0 <= right <= examples or not examples:
        raise ValueError(f"expected 0 ≤ right ≤ examples and examples ≥ 1, got {right} and {examples}")
    share, square = right / examples, Z_95 ** 2
    middle = share + square / (2 * examples)
    half = Z_95 * (share * (1 - share) / examples + square / (4 * examples ** 2)) ** 0.5
    scale = 1 + square / examples
    # Rounding may leave an end that should be 0, 1 or the share itself on the wrong side of it.
    return max(0.0, min((middle - half) / scale, share)), min(1.0, max((middle + half) / scale, share))


def macro_f1_interval(confusion_matrix: Sequence[Sequence[int]] | np.ndarray, seed: int = 0,
                      draws: int = DRAWS) -> tuple[float, float]:
    """Lower and upper end of the percentile bootstrap (Efron 1979) of macro F1 over independent examples.

    Args:
        confusion_matrix: counts ``[true class][predicted class]``.
        seed: of the draws.
        draws: how many test sets of the same size are drawn from this one.

    F1 depends on the counts alone, so that drawing examples with replacement is drawing cells from a multinomial.
    Averages are over the classes that have examples in a draw. Without a single error, or with one class, every draw
    is alike and the interval has no width: then it says nothing of other data.

    Raises:
        ValueError: the matrix isn't square, has a negative count, or no examples.
    """
    counts = np.asarray(confusion_matrix, dtype=np.int64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.min(initial=0) < 0 or not counts.sum():
        raise ValueError(f"expected a square matrix of counts, at least one above 0, got {counts.shape}")
    truth, predicted = np.nonzero(counts)
    found, random = counts[truth, predicted], np.random.default_rng(seed)
    shares = found / counts.sum()
    at_once = max(1, CELLS_AT_ONCE // len(shares))
    values = np.concatenate([
        _macro_f1(random.multinomial(counts.sum(), shares, size=min(at_once, draws - first)),
                  truth, predicted, len(counts))
        for first in range(0, draws, at_once)])
    low, high = np.percentile(values, [2.5, 97.5])
    point = float(_macro_f1(found[np.newaxis], truth, predicted, len(counts))[0])
    # With few examples of each of many classes, nearly all draws may score lower than the whole.
    return min(float(low), point), max(float(high), point)


def _macro_f1(drawn: np.ndarray, truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Macro F1 ``[draws]`` of counts ``[draws, cells]`` whose true and predicted classes are given ``[cells]``."""
    right, have, said = (np.zeros((classes, len(drawn))) for _ in range(3))
    correct = truth == predicted
    right[truth[correct]] = drawn.T[correct]
    np.add.at(have, truth, drawn.T)
    np.add.at(said, predicted, drawn.T)
    f1 = 2 * right / np.maximum(have + said, 1)
    return f1.sum(axis=0, where=have > 0) / (have > 0).sum(axis=0)
