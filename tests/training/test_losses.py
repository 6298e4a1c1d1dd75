"""Cross-entropy with smoothing and class weights, against its formula."""

import numpy as np
import pytest

from tfpt.config.shared import LossConfig
from tfpt.errors import ConfigError
from tfpt.training.losses import class_weights, cross_entropy

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]], "float32")
LABELS = np.array([0, 2], "int32")


def test_plain_cross_entropy():
    np.testing.assert_allclose(cross_entropy(3)(LABELS, PROBABILITIES), -np.log([0.7, 0.1]), rtol=1e-5)


def test_label_smoothing_spreads_its_share_over_all_classes():
    targets = np.eye(3)[LABELS] * 0.7 + 0.3 / 3
    expected = -(targets * np.log(PROBABILITIES)).sum(axis=1)
    np.testing.assert_allclose(cross_entropy(3, 0.3)(LABELS, PROBABILITIES), expected, rtol=1e-5)


def test_class_weights_multiply_each_example():
    weights = np.array([2.0, 1.0, 0.5], "float32")
    np.testing.assert_allclose(cross_entropy(3, 0.0, weights)(LABELS, PROBABILITIES),
                               -np.log([0.7, 0.1]) * [2.0, 0.5], rtol=1e-5)


def test_balanced_weights_make_classes_count_the_same():
    weights = class_weights(LossConfig(class_weights="balanced"), ["a", "b"], [30, 10])
    np.testing.assert_allclose(weights * [30, 10], [20, 20])


def test_named_weights_leave_the_others_at_one():
    weights = class_weights(LossConfig(class_weights={"b": 3.0}), ["a", "b"], [1, 1])
    assert weights.tolist() == [1.0, 3.0]
    assert class_weights(LossConfig(), ["a", "b"], [1, 1]) is None


@pytest.mark.parametrize("given, words", [({"c": 1.0}, "names c"), ({"a": 0.0}, "above 0")])
def test_bad_class_weights_are_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        class_weights(LossConfig(class_weights=given), ["a", "b"], [1, 1])
