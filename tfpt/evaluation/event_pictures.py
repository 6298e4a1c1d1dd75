"""What TensorBoard shows of a classifier and its examples."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary

from tfpt.evaluation.classification import confusion_matrix
from tfpt.evaluation.figures import save_figure, shortened
from tfpt.evaluation.plots import confusion_matrix_png
from tfpt.evaluation.ranking_curves import MOST_CELLS
from tfpt.evaluation.sheet import Tile, draw_sheet
from tfpt.evaluation.worst import worst_png
from tfpt.task import Answers
from tfpt.training.event_files import image, pr_curve

MOST_CURVES = 20
ALL_PAIRS = "all classes together (micro)"


def examples_summary(tag: str, title: str, examples: Sequence[tuple[Any, str]]) -> Summary:
    """A sheet of what ``Task.show_training`` gave."""
    buffer = BytesIO()
    tiles = [Tile(example, "\n".join(shortened(line) for line in label.split("\n"))) for example, label in examples]
    save_figure(lambda figure: draw_sheet(figure, title, tiles), buffer)
    return image(tag, buffer.getvalue())


def confusion_summary(tag: str, answers: Answers, class_names: Sequence[str], about: str) -> Summary:
    """The confusion matrix of ``answers``."""
    matrix = confusion_matrix(answers.labels, answers.probabilities.argmax(axis=1), len(class_names))
    buffer = BytesIO()
    confusion_matrix_png(matrix.tolist(), class_names, buffer)
    return image(tag, buffer.getvalue(), about)


def worst_summary(tag: str, rows: Sequence[Any], shown: Sequence[Any], about: str) -> Summary:
    """The rows of ``worst_examples``, with what is shown of each."""
    buffer = BytesIO()
    worst_png(rows, shown, buffer)
    return image(tag, buffer.getvalue(), about)


def pr_summaries(prefix: str, answers: Answers, class_names: Sequence[str], about: str) -> list[Summary]:
    """A precision–recall curve for each class against the rest, of more than 20 for those with the least recall; from
    three classes on, also of all pairs of example and class. A class without examples has none.
    """
    probabilities, labels = answers.probabilities, answers.labels
    classes = len(class_names)
    positives = np.bincount(labels, minlength=classes)
    right = np.bincount(labels[probabilities.argmax(axis=1) == labels], minlength=classes)
    tested = np.flatnonzero((positives > 0) & (positives < len(labels)))
    weakest = tested[np.argsort(right[tested] / positives[tested], kind="stable")[:MOST_CURVES]]
    curves = [pr_curve(f"{prefix}/{class_names[number]}", labels == number, probabilities[:, number], about)
              for number in sorted(weakest.tolist())]
    if classes > 2 and len(tested):
        kept = np.linspace(0, len(labels) - 1, min(len(labels), max(1, MOST_CELLS // classes))).astype(np.int64)
        truth = labels[kept, np.newaxis] == np.arange(classes)
        curves.append(pr_curve(f"{prefix}/{ALL_PAIRS}", truth.ravel(), probabilities[kept].ravel(), about))
    return curves
