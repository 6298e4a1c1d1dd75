"""Cross-entropy and focal loss with smoothing, class weights and mixed targets, against their formulas."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfpt.config.shared import LossConfig
from tfpt.errors import ConfigError
from tfpt.training.losses import class_weights, cross_entropy, loss_of_targets, main_label

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


def focal(gamma, targets, probabilities=PROBABILITIES):
    return -(targets * (1 - probabilities) ** gamma * np.log(probabilities)).sum(axis=1)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_the_focal_loss_counts_what_is_well_classified_less(gamma):
    losses = cross_entropy(3, focal_gamma=gamma)(LABELS, PROBABILITIES)
    np.testing.assert_allclose(losses, [-0.3 ** gamma * np.log(0.7), -0.9 ** gamma * np.log(0.1)], rtol=1e-5)


def test_the_focal_loss_takes_smoothed_targets_and_class_weights():
    weights, targets = np.array([2.0, 1.0, 0.5], "float32"), np.eye(3)[LABELS] * 0.7 + 0.3 / 3
    losses = cross_entropy(3, 0.3, weights, focal_gamma=2.0)(LABELS, PROBABILITIES)
    np.testing.assert_allclose(losses, focal(2.0, targets) * weights[LABELS], rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_focal_loss_of_gamma_0_is_cross_entropy(smoothing):
    plain = cross_entropy(3, smoothing)(LABELS, PROBABILITIES)
    assert np.array_equal(cross_entropy(3, smoothing, focal_gamma=0.0)(LABELS, PROBABILITIES), plain)
    np.testing.assert_allclose(cross_entropy(3, smoothing, focal_gamma=1e-7)(LABELS, PROBABILITIES), plain, rtol=1e-5)


@given(logits=st.lists(st.floats(-4, 4, width=32), min_size=3, max_size=3), label=st.integers(0, 2),
       gamma=st.sampled_from([0.5, 2.0, 5.0]), smoothing=st.sampled_from([0.0, 0.2]))
def test_its_gradient_is_the_slope_of_its_formula(logits, label, gamma, smoothing):
    targets = (np.eye(3)[[label]] * (1 - smoothing) + smoothing / 3)

    def formula(values):
        exponentials = np.exp(values)
        return focal(gamma, targets, exponentials / exponentials.sum())[0]

    values, step = np.array(logits, np.float64), 1e-5
    slopes = [(formula(values + step * side) - formula(values - step * side)) / (2 * step) for side in np.eye(3)]
    variable = tf.constant([logits])
    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = cross_entropy(3, smoothing, focal_gamma=gamma)(np.array([label]), tf.nn.softmax(variable))
    np.testing.assert_allclose(tape.gradient(loss, variable)[0], slopes, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_its_gradient_is_finite_where_the_softmax_is_certain(gamma):
    logits = tf.constant([[200.0, 0.0, 0.0], [-200.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = cross_entropy(3, focal_gamma=gamma)(np.array([0, 0]), tf.nn.softmax(logits))
    assert np.isfinite(tape.gradient(loss, logits)).all() and np.isfinite(loss).all()


MIXED = {"label": LABELS, "other_label": np.array([1, 0], "int32"), "share": np.array([0.75, 0.25], "float32")}


def test_the_loss_of_mixed_examples_is_the_mixture_of_the_losses_each_with_its_own_weight():
    weights = np.array([2.0, 1.0, 0.5], "float32")
    losses = loss_of_targets(cross_entropy(3, 0.0, weights), MIXED, PROBABILITIES)
    first = 0.75 * 2.0 * -np.log(0.7) + 0.25 * 1.0 * -np.log(0.2)
    second = 0.25 * 0.5 * -np.log(0.1) + 0.75 * 2.0 * -np.log(0.1)
    np.testing.assert_allclose(losses, [first, second], rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_without_weights_that_is_the_loss_of_the_mixed_label(gamma):
    """For the focal loss and smoothing too: both are linear in the target."""
    targets = np.array([[0.75, 0.25, 0], [0.75, 0, 0.25]]) * 0.9 + 0.1 / 3
    losses = loss_of_targets(cross_entropy(3, 0.1, focal_gamma=gamma), MIXED, PROBABILITIES)
    np.testing.assert_allclose(losses, focal(gamma, targets), rtol=1e-5)
    if not gamma:
        expected = keras.losses.categorical_crossentropy(targets, PROBABILITIES)
        np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_unmixed_targets_have_the_plain_loss():
    plain = cross_entropy(3)(LABELS, PROBABILITIES)
    assert np.array_equal(loss_of_targets(cross_entropy(3), {"label": LABELS}, PROBABILITIES), plain)
    assert np.array_equal(main_label({"label": LABELS}), LABELS)


def test_the_label_with_the_larger_share_is_the_main_one():
    assert main_label(MIXED).numpy().tolist() == [0, 0]
    assert main_label({**MIXED, "share": np.array([0.5, 0.49], "float32")}).numpy().tolist() == [0, 0]
    assert main_label({**MIXED, "share": np.array([0.49, 1.0], "float32")}).numpy().tolist() == [1, 2]


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
