"""All pictures of a classifier's evaluation: which there are, how their files are called, drawing them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.evaluation.plots import confusion_matrix_png
from tfpt.evaluation.ranking_curves import precision_recall_png, roc_png
from tfpt.evaluation.reliability import reliability_png
from tfpt.evaluation.worst import worst_png
from tfpt.task import Answers

CONFUSION_MATRIX, ROC, PRECISION_RECALL = "confusion_matrix", "roc", "precision_recall"
RELIABILITY, WORST, LEARNING_CURVES = "reliability", "worst", "learning_curves"
CURVES = (ROC, PRECISION_RECALL)
OF_A_TEST = (CONFUSION_MATRIX, *CURVES, RELIABILITY, WORST)
OF_A_TRAINING = (LEARNING_CURVES,)


def picture_file(folder: Path, picture: str, suffix: str = "") -> Path:
    """The PNG of one of the above, such as ``roc.png``, of other data than the run's own test ``roc_NAME.png``."""
    return folder / f"{picture}{suffix}.png"


def draw_test_pictures(folder: Path, suffix: str, scores: Mapping[str, Any], answers: Answers,
                       worst_shown: Sequence[Any] | None) -> list[str]:
    """Draw those ``OF_A_TEST`` into ``folder``; returns the names of the files.

    Args:
        suffix: of the files' names.
        scores: what ``classification_scores`` gave, and the rows of ``worst_examples`` under ``worst``.
        answers: what was scored. If all labels are of one class, there are no curves.
        worst_shown: what is shown of each row of ``worst``; None: it can't be had, and there is no such picture.
    """
    names, probabilities, labels = scores["class_names"], answers.probabilities, answers.labels
    drawn = {CONFUSION_MATRIX: lambda file: confusion_matrix_png(scores["confusion_matrix"], names, file)}
    if np.ptp(labels):
        drawn[ROC] = lambda file: roc_png(probabilities, labels, names, file)
        drawn[PRECISION_RECALL] = lambda file: precision_recall_png(probabilities, labels, names, file)
    drawn[RELIABILITY] = lambda file: reliability_png(scores["confidence_bins"], file)
    if worst_shown is not None:
        drawn[WORST] = lambda file: worst_png(scores["worst"], worst_shown, file)
    for picture, draw in drawn.items():
        draw(picture_file(folder, picture, suffix))
    return [picture_file(folder, picture, suffix).name for picture in drawn]
