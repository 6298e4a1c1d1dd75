"""Drawing what a report lacks of a run's pictures, as far as that can be had."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpt.errors import RunError, UsageError
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
    _check_one_evaluation(run, scores, predictions)
    if not _missing(run, predictions):
        return []
    try:
        task, splits = splits_without_model(run)
        if len(splits.test) != scores["examples"]:
            raise RunError(f"the run's test has {len(splits.test):,} examples, its evaluation is of "
                           f"{scores['examples']:,}. `tfpt evaluate {run.path}` writes it anew.")
        draw_pictures(run, TEST, scores, predictions.answers, functools.partial(task.show, splits.test))
    except UsageError as problem:
        draw_pictures(run, TEST, scores, predictions.answers, None)
        return [f"the worst predictions can't be shown: {problem}"]
    return []


def _check_one_evaluation(run: Run, scores: Mapping[str, Any], predictions: StoredPredictions) -> None:
    """RunError unless the predictions make the confusion matrix: else a page would show two models as one."""
    labels, probabilities = predictions.answers.labels, predictions.answers.probabilities
    examples, classes = probabilities.shape
    fits = (examples, classes) == (scores["examples"], len(scores["class_names"]))
    if fits:
        matrix = np.zeros((classes, classes), np.int64)
        np.add.at(matrix, (labels, probabilities.argmax(axis=1)), 1)
        fits = matrix.tolist() == scores["confusion_matrix"]
    if not fits:
        raise RunError(
            f"Expected {run.evaluation / 'test.json'} and {run.predictions_file} to be of one evaluation, but the "
            f"first is of {scores['examples']:,} examples and {len(scores['class_names']):,} classes, the second of "
            f"{examples:,} and {classes:,}, or their answers differ. `tfpt evaluate {run.path}` writes both anew.")


def _missing(run: Run, predictions: StoredPredictions) -> list[str]:
    one_class = not np.ptp(predictions.answers.labels)  # then there are no curves
    wanted = [picture for picture in pictures.OF_A_TEST if not (one_class and picture in pictures.CURVES)]
    return [picture for picture in wanted if not pictures.picture_file(run.evaluation, picture).exists()]
