"""The confusion matrix as a PNG file."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.evaluation.figures import CHARACTER_WIDTH, save_figure, shortened

COUNTS_UP_TO_CLASSES = 20
NAMES_UP_TO_CLASSES = 60


def confusion_matrix_png(matrix: Sequence[Sequence[int]], class_names: Sequence[str],
                         path: Path | BytesIO) -> None:
    """Draw ``matrix`` (``[true class][predicted class]``, counts) to ``path``, atomically, or to memory.

    Colour is the share of the true class; counts are printed up to 20 classes. Raises RunError if it can't be written.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    save_figure(lambda figure: _draw(figure, counts, [shortened(name) for name in class_names]), path)


def _draw(figure: Any, counts: np.ndarray, names: list[str]) -> None:
    classes = len(names)
    cell_inches = max(0.2, min(0.6, 5 / classes)) if classes <= NAMES_UP_TO_CLASSES else 12 / classes
    side_inches = max(2.4, cell_inches * classes)
    figure.set_size_inches(side_inches + 2.6, side_inches + 2.0)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    axes.set(xlabel="predicted", ylabel="true", title=f"{int(np.trace(counts))} of {int(counts.sum())} right")
    cell_points = 72 * side_inches / classes
    _name_ticks(axes, names, cell_points)
    if classes <= COUNTS_UP_TO_CLASSES:
        _print_counts(axes, counts, shares, cell_points)


def _name_ticks(axes: Any, names: list[str], cell_points: float) -> None:
    shown = range(0, len(names), -(-len(names) // NAMES_UP_TO_CLASSES))
    labels = [names[i] for i in shown]
    size = 9 if len(names) <= COUNTS_UP_TO_CLASSES else 7
    level = max(map(len, labels)) * CHARACTER_WIDTH * size < cell_points
    axes.set_xticks(shown, labels, rotation=0 if level else 90, fontsize=size, parse_math=False)
    axes.set_yticks(shown, labels, fontsize=size, parse_math=False)


def _print_counts(axes: Any, counts: np.ndarray, shares: np.ndarray, cell_points: float) -> None:
    digits = len(str(counts.max()))
    size = min(11.0, 0.85 * cell_points / (CHARACTER_WIDTH * digits))
    for row, column in np.argwhere(counts):
        colour = "white" if shares[row, column] > 0.55 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=size)
