"""Random erasing: a rectangle of noise in the place of a part of the image (Zhong et al. 2020)."""

import math

import tensorflow as tf

from tfpt.data.stateless import fold_in

_LEAST_AREA, _MOST_AREA = 0.02, 0.4
_LEAST_RATIO = 0.3
"""The paper's bounds: shares of the image's area, and height by width, between 0.3 and 1 / 0.3."""


def erase_rectangle(image: tf.Tensor, seed: tf.Tensor, probability: float) -> tf.Tensor:
    """``image`` with one rectangle of uniform noise, or as it is.

    The rectangle's share of the area is uniform over 0.02 … 0.4, its ratio of height to width log-uniform over those
    of 0.3 … 1 / 0.3 that fit (the paper draws both again until they do), its place uniform.

    Args:
        image: uint8 ``[size, size, channels]``, of a known shape.
        seed: int64 ``[2]``.
        probability: with which there is a rectangle.

    Returns:
        uint8, of the same shape.
    """
    draws = tf.random.stateless_uniform([5], fold_in(seed, 1))

    def erased() -> tf.Tensor:
        inside = _rectangle(image.shape[0], draws[1:])
        noise = tf.random.stateless_uniform(image.shape, fold_in(seed, 2), 0, 256, tf.int32)
        return tf.where(inside[:, :, tf.newaxis], tf.cast(noise, tf.uint8), image)

    return tf.cond(draws[0] < probability, erased, lambda: image)


def _rectangle(size: int, draws: tf.Tensor) -> tf.Tensor:
    """bool ``[size, size]``, True within the rectangle that ``draws``, float32 ``[4]`` over 0 … 1, stand for."""
    area = _LEAST_AREA + draws[0] * (_MOST_AREA - _LEAST_AREA)
    widest = tf.minimum(-tf.math.log(area), -math.log(_LEAST_RATIO))  # log of the largest ratio
    ratio = tf.exp((2 * draws[1] - 1) * widest)
    sides = tf.sqrt(tf.stack([area * ratio, area / ratio])) * size
    lengths = tf.clip_by_value(tf.round(sides), 1, size)
    starts = tf.minimum(tf.floor(draws[2:] * (size - lengths + 1)), size - lengths)
    rows, columns = [_between(size, starts[axis], lengths[axis]) for axis in (0, 1)]
    return rows[:, tf.newaxis] & columns


def _between(size: int, start: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    places = tf.range(size, dtype=tf.float32)
    return (places >= start) & (places < start + length)
