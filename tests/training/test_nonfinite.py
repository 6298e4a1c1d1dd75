"""The first layer that holds or gives a number that isn't finite, against one that was put there."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.small_models import randomise, residual_model
from tfpt.training import nonfinite
from tfpt.training.nonfinite import first_nonfinite

BATCHES = [[tf.zeros([9, 8, 8, 3])], [tf.ones([9, 8, 8, 3])]]


def model_with(value, *layers):
    model = randomise(residual_model(dropout=0.5))
    for name in layers:
        weight = model.get_layer(name).weights[-1]
        weight.assign(np.where(np.arange(weight.shape[-1]) == 1, value, weight.numpy()))
    return model


def test_all_is_finite():
    assert first_nonfinite(model_with(0.0), BATCHES) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_first_weights_in_the_order_of_the_graph(value):
    assert first_nonfinite(model_with(value, "head_output", "block_1_bn"), BATCHES) == "block_1_bn (weights)"
    assert first_nonfinite(model_with(value, "head_output"), []) == "head_output (weights)"


def test_an_output_in_front_of_the_first_weights():
    """Finite weights, too large for the last example of the second batch."""
    model = model_with(np.nan, "head_output")
    model.get_layer("stem").kernel.assign(np.full((3, 3, 3, 4), 1e38))
    batches = [BATCHES[0], [tf.concat([tf.zeros([8, 8, 8, 3]), tf.ones([1, 8, 8, 3])], axis=0)]]
    assert first_nonfinite(model, batches) == "stem (output)"
    assert first_nonfinite(model, BATCHES[:1]) == "head_output (weights)"


def test_the_input_itself():
    assert first_nonfinite(model_with(np.nan, "stem"), [[BATCHES[1][0] * np.nan]]) == "the model's input"


def test_moving_statistics_and_seeds_stay_as_they_are():
    model = model_with(0.0)
    before = [variable.numpy() for variable in model.variables]
    first_nonfinite(model, BATCHES)
    for ours, theirs in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())


def test_sixteen_bits_overflow_where_they_do():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = residual_model()
    finally:
        keras.config.set_dtype_policy(policy)
    assert first_nonfinite(model, [[tf.fill([2, 8, 8, 3], 1e6)]]) == "stem (output)"


def test_it_ends_after_a_while(monkeypatch):
    monkeypatch.setattr(nonfinite, "SEARCH_SECONDS", 0.0)
    asked = []
    assert first_nonfinite(model_with(0.0), (asked.append(1) or batch for batch in BATCHES * 9)) is None
    assert len(asked) == 1
