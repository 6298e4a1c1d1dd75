"""Whether one classifier is better than another, on the same test examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from tfpt.evaluation.bootstrap import mean_intervals

METHOD = ("McNemar's exact test, two-sided: were both runs equally good, the examples that only one of them has right "
          "would be either's with the same chance (Dietterich 1998)")


@dataclass(frozen=True)
class PairedTest:
    """Two classifiers on the same ``examples``.

    ``only_first`` and ``only_second`` count those that one of them alone has right; ``difference`` is the second's
    accuracy less the first's, with its 95 % bootstrap ``interval``.
    """

    examples: int
    first_accuracy: float
    second_accuracy: float
    only_first: int
    only_second: int
    difference: float
    interval: list[float] | None
    p_value: float


def paired_test(first_right: np.ndarray, second_right: np.ndarray) -> PairedTest:
    """From whether each example's answer is right, bool ``[examples]`` each, at least one example."""
    only_first = int(np.count_nonzero(first_right & ~second_right))
    only_second = int(np.count_nonzero(second_right & ~first_right))
    differences = second_right.astype(np.float64) - first_right
    interval = mean_intervals(differences[:, np.newaxis])[0]
    return PairedTest(
        examples=len(differences), first_accuracy=float(first_right.mean()), second_accuracy=float(second_right.mean()),
        only_first=only_first, only_second=only_second, difference=float(differences.mean()),
        interval=None if interval is None else list(interval), p_value=mcnemar(only_first, only_second))


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p-value of McNemar's exact test; 1 if there is no example that one alone has right."""
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value adjusted for there being several (Holm 1979), in the order given."""
    adjusted, so_far = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = so_far
    return adjusted
