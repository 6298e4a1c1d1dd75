"""The reliability diagram, accuracy by confidence, as a PNG file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpt.evaluation.calibration import expected_calibration_error
from tfpt.evaluation.figures import COLOURS, plain_axes, save_figure


def reliability_png(bins: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Draw each bin's accuracy, its mean confidence and its number of examples to ``file``, atomically.

    ``bins`` are those of ``confidence_bins``. Raises RunError if the file can't be written.
    """
    save_figure(lambda figure: _draw(figure, bins), file)


def _draw(figure: Any, bins: Sequence[Mapping[str, Any]]) -> None:
    figure.set_size_inches(5.4, 5.4)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = [row for row in bins if row["examples"]]
    middles = [(row["from"] + row["to"]) / 2 for row in filled]
    width = bins[0]["to"] - bins[0]["from"]
    confidence = [row["confidence"] for row in filled]
    for axes in (top, bottom):
        plain_axes(axes)
    top.plot([0, 1], [0, 1], color="#777777", linewidth=1, linestyle=":", label="calibrated: accuracy = confidence")
    top.bar(middles, [row["accuracy"] for row in filled], width, color=COLOURS[0], alpha=0.55, edgecolor="white",
            label="accuracy in the bin")
    top.vlines(confidence, [row["accuracy"] for row in filled], confidence, color=COLOURS[4], linewidth=1.5)
    top.plot(confidence, confidence, linestyle="none", marker="o", markersize=4, color=COLOURS[4],
             label="mean confidence in the bin")
    error, total = expected_calibration_error(bins), sum(row["examples"] for row in filled)
    top.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy",
            title=f"expected calibration error {error:.3f} ({len(bins)} bins)")
    top.legend(loc="upper left", frameon=False, fontsize=9)
    bottom.bar(middles, [row["examples"] / total for row in filled], width, color="#999999", edgecolor="white")
    bottom.set(xlabel="confidence: the probability of the answer", ylabel="examples", ylim=(0, 1))
    bottom.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
