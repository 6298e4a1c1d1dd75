"""Seeds for TensorFlow's stateless random numbers: functions of the run's seed and of what the numbers are for."""

import tensorflow as tf


def stateless_seed(seed: int, *numbers: tf.Tensor | int) -> tf.Tensor:
    """int64 ``[2]``, another one for every sequence of ``numbers`` (int64 scalars), which are folded in one by one."""
    folded = tf.constant([seed & 0x7FFFFFFF, seed >> 31], tf.int64)
    for number in numbers:
        folded = fold_in(folded, number)
    return folded


def fold_in(seed: tf.Tensor, number: tf.Tensor | int) -> tf.Tensor:
    """int64 ``[2]`` from int64 ``[2]``."""
    return tf.random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int64))
