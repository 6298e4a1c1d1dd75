"""Dropout with a rate that changes under a traced step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpt.training.dropout import dropout, is_adjustable, set_dropout_rate


def layer_of(rate, **options):
    keras.utils.set_random_seed(3)
    layer = keras.layers.Dropout(rate, **options)
    layer.build((None, 64))
    return layer


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_same_numbers_are_dropped_as_by_keras(rate):
    inputs = tf.random.stateless_uniform([32, 64], [1, 2]) + 1
    ours, keras_own = dropout(layer_of(rate), inputs).numpy(), layer_of(rate)(inputs, training=True).numpy()
    np.testing.assert_array_equal(ours == 0, keras_own == 0)
    np.testing.assert_allclose(ours, keras_own, rtol=1e-6)


def test_every_call_drops_other_numbers():
    layer, inputs = layer_of(0.5), tf.ones([32, 64])
    assert (dropout(layer, inputs).numpy() != dropout(layer, inputs).numpy()).any()


def test_a_traced_step_follows_the_rate_with_the_bits_of_one_traced_at_it():
    layer = layer_of(0.2)
    set_dropout_rate(layer, 0.2)
    step = tf.function(lambda inputs: dropout(layer, inputs))
    inputs = tf.random.stateless_uniform([32, 64], [1, 2])
    step(inputs)
    for rate in (0.7, 0.0, 0.35):
        set_dropout_rate(layer, rate)
        layer.seed_generator.state.assign(layer_of(0.5).seed_generator.state)
        alone = tf.function(lambda inputs, other=layer_of(rate or 0.5): dropout(other, inputs))
        expected = alone(inputs).numpy() if rate else inputs.numpy()
        np.testing.assert_array_equal(step(inputs).numpy(), expected)
    assert step.experimental_get_tracing_count() == 1


def test_half_precision_stays_half():
    assert dropout(layer_of(0.5), tf.ones([4, 64], tf.float16)).dtype == tf.float16


def test_what_keras_does_in_another_way_is_left_to_it():
    assert is_adjustable(layer_of(0.5))
    assert not is_adjustable(layer_of(0.0))  # without random numbers
    assert not is_adjustable(layer_of(0.5, noise_shape=(None, 1)))
    assert not is_adjustable(keras.layers.GaussianDropout(0.5))
