import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tfpt.errors import CheckFailed, DataError
from tfpt.evaluation.classification import classification_scores

NAMES = ["cat", "dog", "owl"]


def one_hot(predicted, classes=3):
    return np.eye(classes, dtype=np.float32)[predicted]


def test_by_hand():
    scores = classification_scores(one_hot([0, 0, 1, 2, 1]), np.array([0, 0, 1, 2, 2], np.int32), NAMES)
    assert scores["examples"] == 5 and scores["accuracy"] == pytest.approx(0.8)
    assert scores["confusion_matrix"] == [[2, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert scores["per_class"][1] == {"class": "dog", "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3),
                                      "support": 1}
    assert scores["macro_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert scores["weighted_f1"] == pytest.approx((2 * 1 + 2 / 3 + 2 * 2 / 3) / 5)
    assert scores["weakest_class"] == {"name": "dog", "f1": pytest.approx(2 / 3)}
    assert scores["loss"] == pytest.approx(-np.log(1e-7) / 5, rel=1e-5)
    assert scores["notes"] == [] and "top_5_accuracy" not in scores
    assert scores["brier_score"] == pytest.approx(2 / 5)
    assert scores["expected_calibration_error"] == pytest.approx(0.2)  # always sure, right in 4 of 5


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_agrees_with_scikit_learn_where_every_class_has_examples(classes, seed):
    random = np.random.default_rng(seed)
    labels = random.permutation(np.concatenate([np.arange(classes), random.integers(0, classes, 20)]))
    probabilities = random.dirichlet(np.ones(classes), len(labels))
    names = [f"class {i}" for i in range(classes)]
    scores = classification_scores(probabilities, labels, names)
    predicted = probabilities.argmax(axis=1)
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert scores["loss"] == pytest.approx(metrics.log_loss(labels, probabilities), rel=1e-4)
    for average in ("macro", "weighted"):
        expected = metrics.precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)
        found = [scores[f"{average}_{score}"] for score in ("precision", "recall", "f1")]
        assert found == pytest.approx(list(expected[:3]))
    positive = probabilities[:, 1] if classes == 2 else probabilities
    assert scores["roc_auc"] == pytest.approx(metrics.roc_auc_score(labels, positive, multi_class="ovr"))
    assert scores["confusion_matrix"] == metrics.confusion_matrix(labels, predicted).tolist()
    assert scores["brier_score"] == pytest.approx(((probabilities - np.eye(classes)[labels]) ** 2).sum(axis=1).mean())
    assert json.loads(json.dumps(scores)) == scores


def test_a_class_without_examples_leaves_no_roc_auc_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = classification_scores(one_hot([0, 2, 1]), np.array([0, 0, 1]), NAMES)
    assert scores["roc_auc"] is None
    assert "owl" in scores["notes"][0]
    assert scores["macro_recall"] == pytest.approx(0.75)
    assert scores["per_class"][2]["support"] == 0
    assert scores["weakest_class"]["name"] == "cat"


def noisy(examples, classes, seed=0):
    """Probabilities that are right more often than not, and the true classes, each at least once."""
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, examples - classes)])
    logits = random.normal(size=(examples, classes)) + 2 * np.eye(classes)[labels]
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32), labels


def test_every_headline_score_lies_in_its_interval():
    scores = classification_scores(*noisy(300, 7), [f"class {i}" for i in range(7)])
    assert set(scores["intervals"]) == {"accuracy", "top_5_accuracy", "loss", "brier_score", "macro_f1", "roc_auc"}
    for name, (low, high) in scores["intervals"].items():
        assert low < scores[name] < high, name
    assert scores["accuracy"] < scores["top_5_accuracy"] < 1


def test_a_test_without_errors_has_intervals_only_where_chance_can_show():
    scores = classification_scores(one_hot([0, 1, 2]), np.arange(3), NAMES)
    assert {name for name, ends in scores["intervals"].items() if ends} == {"accuracy"}


def test_a_large_test_says_what_its_ranking_interval_lacks(monkeypatch):
    for cells, words in ((300 * 7 * 500, "is of 500 draws: of 300 examples of 7 classes"), (300, "has no interval")):
        monkeypatch.setattr("tfpt.evaluation.bootstrap.MOST_CELLS", cells)
        scores = classification_scores(*noisy(300, 7), [f"class {i}" for i in range(7)])
        assert words in scores["notes"][0] and (scores["intervals"]["roc_auc"] is None) == (cells == 300)


@pytest.mark.parametrize("probabilities, labels, error, message", [
    (np.empty((0, 3)), [], DataError, "no examples"),
    (np.full((2, 3), np.nan), [0, 1], CheckFailed, "2 of 2 examples"),
    (one_hot([0]), [-1], ValueError, "labels in 0…2"),
    (one_hot([0]), [0, 1], ValueError, r"expected probabilities \[2, 3\]")])
def test_what_cannot_be_scored(probabilities, labels, error, message):
    with pytest.raises(error, match=message):
        classification_scores(probabilities, np.array(labels, np.int32), NAMES)
