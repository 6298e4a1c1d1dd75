import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm
from sklearn.metrics import roc_auc_score

from tfpt.evaluation import bootstrap as module
from tfpt.evaluation.bootstrap import DRAWS, draws_of, mean_intervals, percentile_interval, roc_auc_interval


def scored(examples, classes, seed=0, separation=1.0):
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(examples) % classes)
    logits = random.normal(size=(examples, classes)) + separation * np.eye(classes)[labels]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels


def macro_auc(probabilities, labels):
    classes = [1] if probabilities.shape[1] == 2 else np.unique(labels)
    return float(np.mean([pairs_won(probabilities[labels == number, number], probabilities[labels != number, number])
                          for number in classes]))


def pairs_won(positive, negative):
    """ROC-AUC by its definition; scikit-learn's would take most of the time of these tests."""
    more, equal = positive[:, np.newaxis] > negative, positive[:, np.newaxis] == negative
    return more.mean() + equal.mean() / 2


def test_a_draw_is_of_as_many_examples_however_few_at_a_time(monkeypatch):
    whole = np.concatenate(list(draws_of(30, seed=4, draws=50)))
    assert whole.shape == (50, 30) and (whole.sum(axis=1) == 30).all() and whole.max() > 2
    monkeypatch.setattr(module, "CELLS_AT_ONCE", 30 * 7)
    parts = list(draws_of(30, seed=4, draws=50))
    assert len(parts) == 8 and (np.concatenate(parts) == whole).all()


def test_intervals_of_means_are_scipys():
    values = np.random.default_rng(1).exponential(size=(80, 2)) + [0, 1000]
    for ends, column in zip(mean_intervals(values), values.T):
        expected = bootstrap((column,), np.mean, n_resamples=4000, method="percentile", random_state=0)
        width = expected.confidence_interval.high - expected.confidence_interval.low
        assert ends == pytest.approx(tuple(expected.confidence_interval), abs=0.1 * width)


def test_they_hold_the_true_mean_about_19_times_in_20():
    random, held = np.random.default_rng(2), 0
    for trial in range(200):
        (low, high), = mean_intervals(random.normal(size=(60, 1)), seed=trial)
        held += low <= 0 <= high
    assert norm.ppf(0.0001) < (held - 190) / np.sqrt(200 * 0.05 * 0.95) + 1 < norm.ppf(0.9999) + 1


def test_equal_values_have_no_interval():
    assert mean_intervals(np.array([[0.3, 1.0], [0.3, 2.0]]))[0] is None
    assert percentile_interval(np.ones(9), 1.0) is None and percentile_interval(np.ones(9), 1.5) == (1.0, 1.5)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_interval_of_roc_auc_is_that_of_drawing_examples(classes):
    probabilities, labels = scored(90, classes)
    random, values = np.random.default_rng(9), []
    for _ in range(1000):
        drawn = random.integers(0, 90, 90)
        values.append(macro_auc(probabilities[drawn], labels[drawn]))
    ends, draws = roc_auc_interval(probabilities, labels, macro_auc(probabilities, labels))
    assert ends == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])), abs=0.012) and draws == DRAWS


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_roc_auc_of_weighted_examples_is_scikit_learns_with_ties_too(classes, seed):
    probabilities, labels = scored(40, classes, seed)
    scores, positive = np.round(probabilities[:, 1], 1), labels == 1
    counts = np.concatenate(list(draws_of(40, seed, 5))).T
    expected = [roc_auc_score(np.repeat(positive, drawn), np.repeat(scores, drawn)) for drawn in counts.T.astype(int)]
    assert module._weighted_auc(scores, positive)(counts) == pytest.approx(expected)


def test_draws_without_examples_of_a_class_are_averaged_over_the_others():
    probabilities, labels = scored(12, 6, separation=0)
    ends, _ = roc_auc_interval(probabilities, labels, macro_auc(probabilities, labels))
    assert 0 < ends[0] < ends[1] < 1


def test_draws_of_one_class_alone_do_not_count():
    labels = np.arange(3)
    assert roc_auc_interval(np.eye(3), labels, 1.0) == (None, DRAWS)
    ends, _ = roc_auc_interval(np.array([[0.6, 0.4], [0.3, 0.7], [0.2, 0.8]]), np.array([0, 0, 1]), 1.0)
    assert ends is None


def test_a_perfect_ranking_has_no_interval_and_too_many_examples_have_fewer_draws(monkeypatch):
    labels = np.arange(30) % 3
    assert roc_auc_interval(np.eye(3)[labels], labels, 1.0) == (None, DRAWS)
    probabilities, labels = scored(60, 3)
    monkeypatch.setattr(module, "MOST_CELLS", 60 * 3 * 300)
    ends, draws = roc_auc_interval(probabilities, labels, macro_auc(probabilities, labels))
    assert draws == 300 and ends[0] < ends[1]
    monkeypatch.setattr(module, "MOST_CELLS", 60 * 3 * 100)
    assert roc_auc_interval(probabilities, labels, 0.7) == (None, 0)


def test_equal_seeds_give_equal_intervals():
    probabilities, labels = scored(50, 3)
    assert roc_auc_interval(probabilities, labels, 0.7, seed=1) == roc_auc_interval(probabilities, labels, 0.7, seed=1)
    assert roc_auc_interval(probabilities, labels, 0.7, seed=1) != roc_auc_interval(probabilities, labels, 0.7, seed=2)
