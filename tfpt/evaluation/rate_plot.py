"""The picture of a learning-rate range test."""

from collections.abc import Sequence
from pathlib import Path

from tfpt.evaluation.plots import save_figure


def draw_range_test(rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float],
                    suggestion: float | None, file: Path) -> None:
    """Loss against learning rate, the suggestion marked, to a PNG, atomically. RunError: it can't be written."""
