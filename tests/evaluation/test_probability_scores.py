import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from tfpt.evaluation.probability_scores import brier_scores, log_losses, right_in_top


def drawn(classes, seed, examples=50):
    random = np.random.default_rng(seed)
    return random.dirichlet(np.ones(classes), examples).astype(np.float32), random.integers(0, classes, examples)


def normalised(probabilities):
    exact = probabilities.astype(float)
    return exact / exact.sum(axis=1, keepdims=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_they_are_what_their_definitions_say(classes, seed):
    probabilities, labels = drawn(classes, seed)
    expected = log_loss(labels, normalised(probabilities), labels=range(classes))
    assert log_losses(probabilities, labels).mean() == pytest.approx(expected, rel=1e-4)
    squares = ((probabilities.astype(float) - np.eye(classes)[labels]) ** 2).sum(axis=1)
    assert brier_scores(probabilities, labels) == pytest.approx(squares, abs=1e-6)


def test_the_extremes():
    sure = np.array([[1, 0], [0, 1]], np.float32)
    assert list(brier_scores(sure, np.array([0, 0]))) == [0, 2]
    assert list(log_losses(sure, np.array([0, 0]))) == pytest.approx([0, -np.log(1e-7)])


def test_top_counts_those_whose_class_is_among_the_likeliest():
    probabilities, labels = drawn(9, 1, 400)
    ranks = np.argsort(np.argsort(-probabilities, axis=1), axis=1)[np.arange(400), labels]
    assert [right_in_top(probabilities, labels, top) for top in (1, 3, 5)] == [(ranks < top).sum() for top in (1, 3, 5)]
