"""What came out of one trial of a search."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrialResult:
    """One trial: the config values it tried, and how good it was at its best epoch.

    ``values`` are by dotted config name, ``metrics`` those of validation at ``epoch``, the best by the objective.
    """

    number: int
    values: Mapping[str, Any]
    status: str  # completed, failed or running
    score: float | None  # the objective
    epoch: int | None
    epochs: int  # trained
    metrics: Mapping[str, float]
    why: str | None  # a failure's reason, in one line
    wall_seconds: float
    run: str  # its folder


def best_result(results: Iterable[TrialResult], direction: str) -> TrialResult | None:
    """The completed trial with the best score, the first of equals; ``direction`` is max or min."""
    completed = [(score, result) for result in results if (score := finite_score(result)) is not None]
    if not completed:
        return None
    best = max if direction == "max" else min
    return best(completed, key=lambda pair: pair[0])[1]


def finite_score(result: TrialResult) -> float | None:
    """The score of a completed trial, if it can be compared."""
    return result.score if result.status == "completed" and math.isfinite(result.score or 0) else None
