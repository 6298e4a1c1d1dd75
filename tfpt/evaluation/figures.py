"""Figures of Matplotlib as PNG files: alike whatever the user's settings are, without a window or a global state."""

import io
import unicodedata
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tfpt.atomic_files import atomic_write_bytes

LONGEST_NAME = 18
CHARACTER_WIDTH = 0.65  # as a share of the font size
GRID = "#e5e5e5"
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#eeca3b", "#ff9da6", "#666666")
STYLES = ("-", "--", ":", "-.")


def save_figure(draw: Callable[[Any], None], file: Path | io.BytesIO) -> None:
    """Write what ``draw`` puts on an empty figure to ``file``, atomically, or to memory.

    Raises RunError if it can't be written.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context("default"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name beyond the font: boxes are drawn
        figure = Figure(dpi=120, layout="constrained")
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    if isinstance(file, io.BytesIO):
        file.write(buffer.getvalue())
    else:
        atomic_write_bytes(file, buffer.getvalue())


def shortened(name: str, limit: int = LONGEST_NAME) -> str:
    """``name`` in at most ``limit`` characters: the middle left out, as classes often differ at either end."""
    name = "".join(" " if unicodedata.category(character)[0] == "C" else character for character in name)
    if len(name) <= limit:
        return name
    tail = (limit - 1) // 2
    return f"{name[:limit - 1 - tail]}…{name[-tail:]}"


def plain_text(texts: Iterable[Any]) -> None:
    """Takes ``$`` and ``_`` in these texts for themselves, not for formulas."""
    for text in texts:
        text.set_parse_math(False)


def plain_axes(axes: Any) -> None:
    """A light grid behind the data, and no frame above and beside them."""
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
