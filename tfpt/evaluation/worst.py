"""The examples that a classifier is most wrong about: a table of them, and a sheet to look at as a PNG file."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.evaluation.figures import save_figure, shortened
from tfpt.evaluation.probability_scores import log_losses
from tfpt.evaluation.sheet import Tile, draw_sheet
from tfpt.task import Answers

SHOWN = 20


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


def worst_png(rows: Sequence[Mapping[str, Any]], examples: Sequence[Any], file: Path | BytesIO) -> None:
    """Draw the rows of ``worst_examples`` to ``file``, atomically, or to memory.

    ``examples`` has what is shown of each row: a uint8 ``[height, width, 3]`` image, or a text.
    """
    save_figure(lambda figure: _draw(figure, rows, examples), file)


def _draw(figure: Any, rows: Sequence[Mapping[str, Any]], examples: Sequence[Any]) -> None:
    draw_sheet(figure, "the worst predictions, the highest loss first",
               [Tile(example, _heading(row), row["name"]) for row, example in zip(rows, examples)])


def _heading(row: Mapping[str, Any]) -> str:
    right = "" if row["predicted"] != row["truth"] else ", right"
    return f"is {shortened(row['truth'])}\nsaid {shortened(row['predicted'])} ({row['score']:.2f}){right}"
