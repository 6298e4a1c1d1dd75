"""The picture of a learning-rate range test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfpt.evaluation.figures import COLOURS, GRID, plain_axes, save_figure


def draw_range_test(rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float],
                    suggestion: float | None, file: Path) -> None:
    """Draw the loss of each update and its average against the learning rate, the suggestion marked, to a PNG.

    Raises RunError if it can't be written.
    """
    def draw(figure: Any) -> None:
        figure.set_size_inches(7, 4)
        axes = figure.subplots()
        axes.plot(rates, losses, ".", color=GRID, markersize=4, label="each update", zorder=1)
        axes.plot(rates, smoothed, color=COLOURS[0], label="average", zorder=2)
        if suggestion is not None:
            axes.axvline(suggestion, color=COLOURS[4], linestyle="--", label=f"suggested: {suggestion:.1e}")
        highest = max(smoothed[0], min(4 * min(smoothed), max(smoothed)))
        axes.set(xscale="log", xlabel="learning rate", ylabel="training loss", ylim=(0.95 * min(smoothed),
                                                                                     1.05 * highest))
        plain_axes(axes)
        axes.legend(frameon=False)

    save_figure(draw, file)
