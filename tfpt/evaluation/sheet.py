"""A sheet of examples to look at: images or texts in rows, each with a heading and maybe a line under it."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfpt.evaluation.figures import plain_text, shortened

COLUMNS = 5
TILE_INCHES = 1.55
GAP_INCHES, HEADING_INCHES, FOOTING_INCHES = 0.2, 0.15, 0.17
TOP_INCHES, LEAST_WIDTH_INCHES = 0.4, 3.5
TILE_PIXELS = 240
LONGEST_FOOTING = 24
TEXT_LINE, TEXT_LINES = 26, 11  # characters, lines


@dataclass(frozen=True, eq=False)
class Tile:
    """``example`` is a uint8 ``[height, width, 3]`` image or a text; ``heading`` may have several lines."""

    example: Any
    heading: str
    footing: str = ""


def draw_sheet(figure: Any, title: str, tiles: Sequence[Tile]) -> None:
    """Put ``tiles`` on an empty figure, five in a row.

    All are in one pair of axes, in inches with y downward: one for each takes three times as long.
    """
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    above = HEADING_INCHES * max(tile.heading.count("\n") + 1 for tile in tiles) + 0.05
    below = FOOTING_INCHES if any(tile.footing for tile in tiles) else 0.0
    step = TILE_INCHES + above + below + 0.1
    width = max(LEAST_WIDTH_INCHES, GAP_INCHES + (TILE_INCHES + GAP_INCHES) * columns)
    figure.set_layout_engine("none")
    figure.set_size_inches(width, TOP_INCHES + step * rows)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.text(width / 2, TOP_INCHES / 2, title, fontsize=10, ha="center", va="center", parse_math=False)
    for number, tile in enumerate(tiles):
        left = GAP_INCHES + (TILE_INCHES + GAP_INCHES) * (number % columns)
        _draw_tile(axes, tile, left, TOP_INCHES + above + step * (number // columns))
    axes.set(xlim=(0, width), ylim=(TOP_INCHES + step * rows, 0), aspect="auto")


def _draw_tile(axes: Any, tile: Tile, left: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    if isinstance(tile.example, str):
        lines = textwrap.wrap(" ".join(tile.example.split()), TEXT_LINE, max_lines=TEXT_LINES, placeholder=" …")
        texts = [axes.text(left + 0.06, top + 0.05, "\n".join(lines), fontsize=6.5, va="top")]
    else:
        image = _small(tile.example)
        height, width = (TILE_INCHES * side / max(image.shape[:2]) for side in image.shape[:2])
        x, y = left + (TILE_INCHES - width) / 2, top + (TILE_INCHES - height) / 2
        axes.imshow(image, extent=(x, x + width, y + height, y), interpolation="nearest")
        texts = []
    axes.add_patch(Rectangle((left, top), TILE_INCHES, TILE_INCHES, fill=False, linewidth=0.8, edgecolor="#444444"))
    texts.append(axes.text(left, top - 0.04, tile.heading, fontsize=8, va="bottom", linespacing=1.15))
    texts.append(axes.text(left + TILE_INCHES / 2, top + TILE_INCHES + 0.03, shortened(tile.footing, LONGEST_FOOTING),
                           fontsize=6.5, color="#555555", ha="center", va="top"))
    plain_text(texts)


def _small(image: np.ndarray) -> np.ndarray:
    """``image`` with at most as many pixels as a tile shows."""
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((TILE_PIXELS, TILE_PIXELS))
    return np.asarray(picture)
