"""Runs a function of a seed many times in one graph."""

import numpy as np
import tensorflow as tf


def for_many_seeds(function, count: int, dtype=tf.uint8) -> np.ndarray:
    """``function(seed int64 [2])`` for ``count`` different seeds, one after the other."""
    seeds = tf.stack([tf.range(count, dtype=tf.int64), tf.zeros(count, tf.int64)], axis=1)
    return tf.function(lambda: tf.map_fn(function, seeds, fn_output_signature=dtype))().numpy()
