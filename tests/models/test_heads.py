import keras
import numpy as np
import pytest

from tests.models.conftest import CLASSES, small_classifier
from tfpt.config.image_classification import HeadConfig
from tfpt.models.heads import classification_head


def head_model(head: HeadConfig, classes: int = CLASSES) -> keras.Model:
    features = keras.Input((2, 2, 8))
    return keras.Model(features, classification_head(features, head, classes))


@pytest.mark.parametrize("units", [(), (5,), (6, 4)])
def test_layers_follow_the_config(units):
    model = head_model(HeadConfig(units=units, activation="tanh"))
    hidden = [layer for layer in model.layers if layer.name.startswith("head_dense_")]
    assert [layer.units for layer in hidden] == list(units)
    assert all(layer.activation is keras.activations.tanh for layer in hidden)
    assert model.get_layer("head_output").units == CLASSES


def test_outputs_are_float32_probabilities_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = head_model(HeadConfig())
    finally:
        keras.config.set_dtype_policy(before)
    probabilities = np.asarray(model(np.ones((4, 2, 2, 8), np.float32)))
    assert probabilities.dtype == np.float32 and probabilities.shape == (4, CLASSES)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_penalties_are_l1_and_l2_of_the_kernels():
    assert not head_model(HeadConfig()).losses
    model = head_model(HeadConfig(units=(), l1=0.1, l2=0.01))
    kernel = np.asarray(model.get_layer("head_output").kernel)
    expected = 0.1 * np.abs(kernel).sum() + 0.01 * np.square(kernel).sum()
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_weights_are_a_function_of_the_seed():
    first, again, other = (small_classifier(seed).get_layer("head_dense_1").kernel.numpy() for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
