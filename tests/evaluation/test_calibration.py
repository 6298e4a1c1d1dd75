import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from tfpt.evaluation.calibration import confidence_bins, expected_calibration_error


def two_classes(confidences):
    """Probabilities whose answer is class 0, with those confidences."""
    return np.stack([confidences, 1 - np.array(confidences)], axis=1)


def test_by_hand():
    bins = confidence_bins(two_classes([0.55, 0.58, 0.9, 1.0]), np.array([0, 1, 0, 0]), bins=10)
    assert [row["examples"] for row in bins] == [0, 0, 0, 0, 0, 2, 0, 0, 1, 1]
    assert bins[5]["confidence"] == pytest.approx(0.565) and bins[5]["accuracy"] == 0.5
    assert bins[8] == {"from": pytest.approx(0.8), "to": pytest.approx(0.9), "examples": 1, "confidence": 0.9,
                       "accuracy": 1.0}
    assert bins[0]["confidence"] is None and bins[0]["accuracy"] is None
    assert expected_calibration_error(bins) == pytest.approx((2 * 0.065 + 0.1 + 0) / 4)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_the_bins_are_scikit_learns(classes, seed):
    random = np.random.default_rng(seed)
    probabilities, labels = random.dirichlet(np.ones(classes), 200), random.integers(0, classes, 200)
    filled = [row for row in confidence_bins(probabilities, labels) if row["examples"]]
    right, confidence = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    accuracies, confidences = calibration_curve(right, confidence, n_bins=15, pos_label=True)
    assert [row["accuracy"] for row in filled] == pytest.approx(list(accuracies))
    assert [row["confidence"] for row in filled] == pytest.approx(list(confidences))


def test_who_is_right_as_often_as_sure_has_a_small_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 50_000)
    labels = (random.random(50_000) > confidence).astype(int)
    assert expected_calibration_error(confidence_bins(two_classes(confidence), labels)) < 0.01
    overconfident = confidence_bins(two_classes(np.minimum(confidence + 0.1, 1)), labels)
    assert expected_calibration_error(overconfident) == pytest.approx(0.09, abs=0.02)
