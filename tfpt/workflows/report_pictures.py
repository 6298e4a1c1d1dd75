"""Drawing what a report lacks of a run's pictures, as far as that can be had."""

import functools

import numpy as np

from tfpt.errors import UsageError
from tfpt.evaluation import pictures
from tfpt.evaluation.stored_predictions import StoredPredictions, read_predictions
from tfpt.run_directory import Run
from tfpt.workflows.evaluate import evaluate
from tfpt.workflows.finished_data import splits_without_model
from tfpt.workflows.run_pictures import TEST, draw_learning_curves, draw_pictures, own_folder
from tfpt.workflows.run_results import read_test_scores


def draw_missing_pictures(run: Run) -> list[str]:
    """Draw the pictures of a run's own test and of its training that aren't in its ``evaluation/``.

    They are made of what the run keeps; only for the worst examples its data are opened, and only if it keeps no
    evaluation its model too. Returns what can't be drawn and why, a phrase each. RunError: what it keeps is damaged.
    """
    own_folder(run.evaluation)
    if not pictures.picture_file(run.evaluation, pictures.LEARNING_CURVES).exists():
        draw_learning_curves(run)
    scores, predictions = read_test_scores(run), read_predictions(run.predictions_file)
    if scores is None or predictions is None:
        try:
            evaluate(run)
        except UsageError as problem:
            return [f"the run's test isn't shown, as it was not evaluated and can't be now: {problem}"]
        return []
    if not _missing(run, predictions):
        return []
    try:
        task, splits = splits_without_model(run)
        draw_pictures(run, TEST, scores, predictions.answers, functools.partial(task.show, splits.test))
    except UsageError as problem:
        draw_pictures(run, TEST, scores, predictions.answers, None)
        return [f"the worst predictions can't be shown: {problem}"]
    return []


def _missing(run: Run, predictions: StoredPredictions) -> list[str]:
    one_class = not np.ptp(predictions.answers.labels)  # then there are no curves
    wanted = [picture for picture in pictures.OF_A_TEST if not (one_class and picture in pictures.CURVES)]
    return [picture for picture in wanted if not pictures.picture_file(run.evaluation, picture).exists()]
