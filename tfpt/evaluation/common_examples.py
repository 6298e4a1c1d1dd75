"""The test examples that two runs share, found by their content, and those that can't be compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfpt.evaluation.stored_predictions import HASH_BYTES, StoredPredictions


@dataclass(frozen=True, eq=False)
class CommonExamples:
    """Examples of both tests, and how many of a test are left out.

    Attributes:
        first, second: places of the same examples in either's predictions, int ``[n]`` each.
        first_trained_on: of the second's test examples, those that the first run was trained on.
        second_trained_on: the other way round.
        only_first, only_second: further examples that are in one test alone.
        labelled_differently: examples of both tests whose class has another name in the other run.
    """

    first: np.ndarray
    second: np.ndarray
    first_trained_on: int
    second_trained_on: int
    only_first: int
    only_second: int
    labelled_differently: int


def common_examples(first: StoredPredictions, first_names: Sequence[str], second: StoredPredictions,
                    second_names: Sequence[str]) -> CommonExamples:
    """Of identical examples in one test, one counts; ``…_names`` are the runs' class names."""
    ours, our_places = np.unique(_keys(first.content), return_index=True)
    theirs, their_places = np.unique(_keys(second.content), return_index=True)
    we_know, they_know = np.unique(_keys(first.trained_on)), np.unique(_keys(second.trained_on))
    our_leaks, their_leaks = np.isin(ours, they_know), np.isin(theirs, we_know)
    both = np.intersect1d(ours[~our_leaks], theirs[~their_leaks], assume_unique=True)
    ours_there, theirs_there = np.searchsorted(ours, both), np.searchsorted(theirs, both)
    places, other_places = our_places[ours_there], their_places[theirs_there]
    truths = np.array(list(first_names), dtype=object)[first.answers.labels[places]]
    alike = truths == np.array(list(second_names), dtype=object)[second.answers.labels[other_places]]
    return CommonExamples(
        places[alike], other_places[alike], int(their_leaks.sum()), int(our_leaks.sum()),
        len(ours) - int(our_leaks.sum()) - len(both), len(theirs) - int(their_leaks.sum()) - len(both),
        int(np.count_nonzero(~alike)))


def right(predictions: StoredPredictions, places: np.ndarray) -> np.ndarray:
    """Whether the answers at ``places`` are right, bool ``[n]``."""
    answers = predictions.answers
    return np.asarray(answers.probabilities[places].argmax(axis=1) == answers.labels[places])


def _keys(content: np.ndarray) -> np.ndarray:
    """Hashes uint8 ``[n, 16]`` as one value each, ``[n]``."""
    return np.ascontiguousarray(content).view(f"V{HASH_BYTES}").reshape(-1)
