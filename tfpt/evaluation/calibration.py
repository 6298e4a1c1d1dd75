"""Whether a classifier's confidence, the probability of the class that it answers, is the share of right answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

BINS = 15
"""As Guo et al. (2017) have it."""


def confidence_bins(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> list[dict[str, Any]]:
    """Examples by confidence, in ``bins`` equally wide bins over 0…1 of which each holds its upper end.

    Args:
        probabilities: float ``[examples, classes]``.
        labels: int ``[examples]``.

    Returns:
        Of each bin ``from``, ``to``, ``examples``, and the mean ``confidence`` and ``accuracy`` of its examples, None
        if there are none.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    examples = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, weights=values, minlength=bins) for values in (confidence, right)]
    means = [[total / count if count else None for total, count in zip(column.tolist(), examples.tolist())]
             for column in sums]
    return [{"from": low, "to": high, "examples": count, "confidence": confident, "accuracy": accurate}
            for low, high, count, confident, accurate in zip(
                edges[:-1].tolist(), edges[1:].tolist(), examples.tolist(), *means, strict=True)]


def expected_calibration_error(bins: Sequence[Mapping[str, Any]]) -> float:
    """The mean over examples of the distance between their bin's accuracy and confidence (Guo et al. 2017, eq. 3)."""
    filled = [row for row in bins if row["examples"]]
    total = sum(row["examples"] for row in filled)
    return float(sum(row["examples"] * abs(row["accuracy"] - row["confidence"]) for row in filled) / total)
