"""Dropout whose rate can be changed in a step that was traced already (Srivastava et al. 2014)."""

from typing import Any

import keras
import tensorflow as tf


def is_adjustable(operation: Any) -> bool:
    """Whether ``dropout`` can take the place of the layer: Keras gives one that drops nothing no random numbers."""
    return (type(operation) is keras.layers.Dropout and operation.noise_shape is None
            and hasattr(operation, "seed_generator"))


def dropout(layer: keras.layers.Dropout, inputs: tf.Tensor) -> tf.Tensor:
    """What the layer does in training: a share ``rate`` of ``inputs`` becomes 0, the rest is divided by ``1 - rate``.

    In float32 the same numbers are dropped as by Keras; in half precision others, for there TensorFlow draws in the
    dtype of ``inputs``, and this function in float32 always. The rate is a tensor even where it is constant, so that a
    training on its own has the bits of the same one among others whose rate changes.
    """
    rate = tf.convert_to_tensor(layer.rate, tf.float32)
    drawn = keras.random.uniform(tf.shape(inputs), dtype="float32", seed=layer.seed_generator)
    return tf.where(drawn >= rate, inputs * tf.cast(1.0 / (1.0 - rate), inputs.dtype), tf.zeros_like(inputs))


def set_dropout_rate(layer: keras.layers.Dropout, rate: float) -> None:
    """Make ``rate`` (at least 0, below 1) the layer's, in steps traced after the first call of this function as well.
    """
    if not isinstance(layer.rate, tf.Variable):
        layer.rate = tf.Variable(layer.rate, trainable=False, dtype=tf.float32)
    layer.rate.assign(rate)
