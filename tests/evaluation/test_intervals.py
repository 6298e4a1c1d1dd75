import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from tfpt.evaluation.classification import classification_scores
from tfpt.evaluation.intervals import accuracy_interval, macro_f1_interval

COUNTS = st.integers(1, 100_000).flatmap(lambda examples: st.tuples(st.integers(0, examples), st.just(examples)))
MATRICES = st.integers(1, 5).flatmap(
    lambda classes: arrays.arrays(np.int64, (classes, classes), elements=st.integers(0, 30))).filter(np.any)


def examples_of(matrix):
    """True and predicted classes with that confusion matrix."""
    truth, predicted = np.nonzero(matrix)
    counts = np.asarray(matrix)[truth, predicted]
    return np.repeat(truth, counts), np.repeat(predicted, counts)


def macro_f1(matrix):
    truth, predicted = examples_of(matrix)
    names = [str(number) for number in range(len(matrix))]
    return classification_scores(np.eye(len(matrix))[predicted], truth, names)["macro_f1"]


@given(COUNTS)
def test_accuracy_interval_is_wilsons(counts):
    right, examples = counts
    low, high = accuracy_interval(right, examples)
    expected = binomtest(right, examples).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= right / examples <= high <= 1


@given(COUNTS, st.integers(2, 50))
def test_accuracy_interval_narrows_with_more_examples(counts, times):
    right, examples = counts
    few, many = accuracy_interval(right, examples), accuracy_interval(right * times, examples * times)
    assert many[1] - many[0] < few[1] - few[0]


def test_accuracy_interval_where_all_or_none_is_right():
    assert accuracy_interval(0, 4) == (0.0, pytest.approx(0.4899, abs=1e-4))
    assert accuracy_interval(4, 4) == (pytest.approx(0.5101, abs=1e-4), 1.0)


@pytest.mark.parametrize("right, examples", [(0, 0), (1, 0), (5, 4), (-1, 4), (0, -1)])
def test_impossible_counts(right, examples):
    with pytest.raises(ValueError, match=f"got {right} and {examples}"):
        accuracy_interval(right, examples)


@settings(max_examples=50, deadline=None)
@given(MATRICES, st.integers(0, 3))
def test_macro_f1_interval_holds_the_score_itself(matrix, seed):
    low, high = macro_f1_interval(matrix, seed, draws=300)
    assert 0 <= low <= macro_f1(matrix) + 1e-12 and macro_f1(matrix) - 1e-12 <= high <= 1
    assert macro_f1_interval(matrix.tolist(), seed, draws=300) == (low, high)


@pytest.mark.parametrize("matrix", [
    [[27, 0, 3], [2, 11, 0], [4, 1, 40]],
    [[3, 1, 0], [0, 2, 0], [0, 0, 1]],  # a third of the draws lack the last class
    [[5, 2, 0], [1, 9, 1], [0, 0, 0]]])  # no examples of the last class, but answers
def test_macro_f1_interval_is_that_of_drawing_examples(matrix):
    truth, predicted = examples_of(matrix)
    random, values = np.random.default_rng(5), []
    for _ in range(1000):
        drawn = random.integers(0, len(truth), len(truth))
        values.append(f1_score(truth[drawn], predicted[drawn], labels=np.unique(truth[drawn]), average="macro",
                               zero_division=0))
    assert macro_f1_interval(matrix) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])), abs=0.025)


def test_macro_f1_interval_narrows_with_more_examples():
    few = np.array([[8, 2, 0], [1, 9, 1], [0, 3, 5]])
    widths = [high - low for low, high in (macro_f1_interval(few * times) for times in (1, 4, 16))]
    assert widths[1] == pytest.approx(widths[0] / 2, rel=0.15) and widths[2] == pytest.approx(widths[1] / 2, rel=0.15)


def test_macro_f1_interval_depends_on_its_seed_alone():
    matrix = [[80, 21, 3], [33, 71, 9], [5, 8, 64]]
    assert macro_f1_interval(matrix) == macro_f1_interval(matrix, seed=0) != macro_f1_interval(matrix, seed=1)


def test_macro_f1_interval_is_the_same_in_several_portions(monkeypatch):
    matrix = np.random.default_rng(0).integers(0, 5, (6, 6))
    whole = macro_f1_interval(matrix)
    monkeypatch.setattr("tfpt.evaluation.intervals.CELLS_AT_ONCE", 1000)
    assert macro_f1_interval(matrix) == whole


def test_macro_f1_interval_where_nearly_every_draw_scores_lower():
    random = np.random.default_rng(0)
    matrix = np.zeros((600, 600), np.int64)
    for truth in range(600):
        for _ in range(3):
            matrix[truth, truth if random.random() < 0.9 else random.integers(600)] += 1
    low, high = macro_f1_interval(matrix, draws=400)
    assert low < high == pytest.approx(macro_f1(matrix))


def test_macro_f1_interval_without_errors_or_with_one_class_has_no_width():
    assert macro_f1_interval(np.diag([3, 1, 2])) == (1.0, 1.0)
    assert macro_f1_interval([[7]]) == (1.0, 1.0)


@pytest.mark.parametrize("matrix", [[[0, 0], [0, 0]], [[1, 2, 3], [4, 5, 6]], [[1, -1], [0, 2]], [], [3]])
def test_what_is_no_confusion_matrix(matrix):
    with pytest.raises(ValueError, match="expected a square matrix of counts"):
        macro_f1_interval(matrix)
