"""The examples that a classifier is most wrong about: a table of them, and a sheet to look at as a PNG file."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.evaluation.figures import plain_text, save_figure, shortened
from tfpt.evaluation.probability_scores import log_losses
from tfpt.task import Answers

SHOWN = 20
COLUMNS = 5
TILE_WIDTH_INCHES, TILE_HEIGHT_INCHES = 1.75, 2.2
TILE_PIXELS = 240
LONGEST_NAME = 24
TEXT_LINE, TEXT_LINES = 26, 11  # characters, lines


def worst_examples(answers: Answers, class_names: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
    """The 20 examples of the highest loss, the highest first, JSON-able; ``names`` are those of the examples.

    Each has its ``index`` and ``name``, its true class, that class's probability and the loss in nats, and what was
    predicted, with that one's probability.
    """
    probabilities, labels = answers.probabilities, answers.labels
    losses = log_losses(probabilities, labels)
    return [{"index": index, "name": names[index], "truth": class_names[labels[index]],
             "truth_score": float(probabilities[index, labels[index]]), "loss": float(losses[index]),
             "predicted": class_names[probabilities[index].argmax()], "score": float(probabilities[index].max())}
            for index in np.argsort(-losses, kind="stable")[:SHOWN].tolist()]


def worst_png(rows: Sequence[Mapping[str, Any]], examples: Sequence[Any], file: Path) -> None:
    """Draw the rows of ``worst_examples`` to ``file``, atomically.

    ``examples`` has what is shown of each row: a uint8 ``[height, width, 3]`` image, or a text.
    """
    save_figure(lambda figure: _draw(figure, rows, examples), file)


def _draw(figure: Any, rows: Sequence[Mapping[str, Any]], examples: Sequence[Any]) -> None:
    columns = min(COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    figure.set_size_inches(max(3.5, TILE_WIDTH_INCHES * columns), TILE_HEIGHT_INCHES * lines + 0.4)
    figure.suptitle("the worst predictions, the highest loss first", fontsize=10)
    tiles = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, row, example in zip(tiles, rows, examples):
        axes.set(xticks=[], yticks=[])
        if isinstance(example, str):
            _write(axes, example)
        else:
            axes.imshow(_small(example), interpolation="nearest")
        right = "" if row["predicted"] != row["truth"] else ", right"
        text = f"is {shortened(row['truth'])}\nsaid {shortened(row['predicted'])} ({row['score']:.2f}){right}"
        plain_text([axes.set_title(text, fontsize=8, loc="left")])
        plain_text([axes.set_xlabel(shortened(row["name"], LONGEST_NAME), fontsize=6.5, color="#555555")])
    for unused in tiles[len(rows):]:
        unused.set_axis_off()


def _small(image: np.ndarray) -> np.ndarray:
    """``image`` with at most as many pixels as a tile shows."""
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((TILE_PIXELS, TILE_PIXELS))
    return np.asarray(picture)


def _write(axes: Any, text: str) -> None:
    lines = textwrap.wrap(" ".join(text.split()), TEXT_LINE, max_lines=TEXT_LINES, placeholder=" …")
    plain_text([axes.text(0.04, 0.97, "\n".join(lines), fontsize=6.5, va="top", transform=axes.transAxes)])
