"""RandAugment (Cubuk et al. 2020): a few operations out of fourteen, all of one magnitude, on uint8 images.

An operation does what Pillow's of that name does. Those that the paper takes over from AutoAugment have its ranges;
where the published code gets weaker as the magnitude rises (colour operations, solarize, posterize), they follow
torchvision: magnitude 0 changes nothing, and the sign of what can go either way is drawn.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import tensorflow as tf

from tfpt.data.stateless import fold_in

HIGHEST_MAGNITUDE = 10.0
_GREY = 128.0
"""What comes in from outside the image, as in the published code."""

_Operation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def randaugment(image: tf.Tensor, seed: tf.Tensor, operations: int, magnitude: float) -> tf.Tensor:
    """``operations`` of ``OPERATIONS`` one after the other, each drawn from all, with replacement.

    Args:
        image: uint8 ``[size, size, 3]``, of a known size above 1.
        seed: int64 ``[2]``.
        operations: how many.
        magnitude: 0 … 10. Automatic contrast and equalization have none, and change an image at 0 as well.

    Returns:
        uint8, of the same shape.
    """
    return _function(tuple(image.shape), operations, float(magnitude))(image, seed)


@cache
def _function(shape: tuple[int, ...], operations: int, magnitude: float) -> Any:
    """Traced once, not in every epoch; a loop, as a second copy of all operations would take as long again to set up.
    """
    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8), tf.TensorSpec([2], tf.int64)], autograph=False)
    def augmented(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        chosen = tf.random.stateless_uniform([operations], fold_in(seed, 1), 0, len(OPERATIONS), tf.int32)
        signs = 2 * tf.random.stateless_uniform([operations], fold_in(seed, 2), 0, 2, tf.int32) - 1
        strengths = tf.cast(signs, tf.float32) * (magnitude / HIGHEST_MAGNITUDE)
        return tf.while_loop(
            lambda number, image: number < operations,
            lambda number, image: (number + 1, _apply(image, chosen[number], strengths[number])), (0, image))[1]

    return augmented


def _apply(image: tf.Tensor, number: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    def branch(operation: _Operation) -> Callable[[], tf.Tensor]:
        return lambda: tf.ensure_shape(operation(image, strength), image.shape)

    return tf.switch_case(number, [branch(operation) for operation in OPERATIONS.values()])


def _identity(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return tf.identity(image)


def _auto_contrast(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Every channel's darkest value becomes 0, its brightest one 255."""
    values = tf.cast(image, tf.int32)
    low, high = tf.reduce_min(values, axis=[0, 1]), tf.reduce_max(values, axis=[0, 1])
    stretched = (values - low) * 255 // tf.maximum(high - low, 1)
    return tf.cast(tf.where(high > low, stretched, values), tf.uint8)


def _equalize(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Every channel's histogram made flat, in Pillow's whole numbers."""
    values = tf.cast(image, tf.int32) + 256 * tf.range(3)
    counts = tf.reshape(tf.math.bincount(tf.reshape(values, [-1]), minlength=768, maxlength=768), [3, 256])
    pixels = tf.reduce_sum(counts, axis=1)
    last = tf.reduce_max(tf.where(counts > 0, tf.range(256), 0), axis=1)
    step = (pixels - tf.gather(counts, last, batch_dims=1)) // 255
    table = (tf.cumsum(counts, axis=1, exclusive=True) + step[:, tf.newaxis] // 2) // tf.maximum(step, 1)[:, tf.newaxis]
    table = tf.where(step[:, tf.newaxis] > 0, tf.minimum(table, 255), tf.range(256))
    return tf.cast(tf.gather(tf.reshape(table, [-1]), values), tf.uint8)


def _rotate(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """About the centre, by up to 30 degrees."""
    angle = strength * math.radians(30)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    centre = (image.shape[0] - 1) / 2
    return _warp(image, [cosine, -sine, centre * (1 - cosine + sine), sine, cosine, centre * (1 - sine - cosine)])


def _shear_x(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Every row moved by up to 0.3 of its distance from the first."""
    return _warp(image, [1.0, 0.3 * strength, 0.0, 0.0, 1.0, 0.0])


def _shear_y(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return _warp(image, [1.0, 0.0, 0.0, 0.3 * strength, 1.0, 0.0])


def _translate_x(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return _warp(image, [1.0, 0.0, _pixels(image, strength), 0.0, 1.0, 0.0])


def _translate_y(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return _warp(image, [1.0, 0.0, 0.0, 0.0, 1.0, _pixels(image, strength)])


def _pixels(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Whole ones: up to AutoAugment's 150 of 331."""
    return tf.round(strength * (150 / 331 * image.shape[0]))


def _warp(image: tf.Tensor, matrix: list[tf.Tensor | float]) -> tf.Tensor:
    """The pixel at ``(x, y)`` is that of the image at ``(a·x + b·y + c, d·x + e·y + f)``, between pixels bilinear."""
    transform = tf.stack([tf.cast(number, tf.float32) for number in (*matrix, 0.0, 0.0)])
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(image, tf.float32)[tf.newaxis], transforms=transform[tf.newaxis], output_shape=image.shape[:2],
        interpolation="BILINEAR", fill_mode="CONSTANT", fill_value=_GREY)
    return tf.cast(tf.round(warped[0]), tf.uint8)


def _brightness(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return _away_from(tf.zeros([], tf.int32), image, strength)


def _contrast(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    grey = _luminance(image)
    mean = (2 * tf.reduce_sum(grey) + tf.size(grey)) // (2 * tf.size(grey))
    return _away_from(mean, image, strength)


def _colour(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return _away_from(_luminance(image)[:, :, tf.newaxis], image, strength)


def _sharpness(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Away from, or towards, the mean of the nine pixels around, in which the one in the middle counts five times."""
    values = tf.cast(image, tf.int32)
    rows = values[:-2] + values[1:-1] + values[2:]
    around = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * values[1:-1, 1:-1]
    smooth = (2 * around + 13) // 26
    inner = _away_from(smooth, image[1:-1, 1:-1], strength)
    middle = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1)
    return tf.concat([image[:1], middle, image[-1:]], axis=0)


def _luminance(image: tf.Tensor) -> tf.Tensor:
    """int32 ``[size, size]``: ITU-R 601-2 in Pillow's whole numbers."""
    return (tf.tensordot(tf.cast(image, tf.int32), tf.constant([19595, 38470, 7471]), 1) + 2**15) // 2**16


def _away_from(less: tf.Tensor, image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """``image`` with up to 0.9 times its difference to ``less``, int32, added or taken away."""
    values = tf.cast(image, tf.int32)
    more = tf.cast(values - less, tf.float32) * (1 + 0.9 * strength) + tf.cast(less, tf.float32)
    return tf.cast(tf.clip_by_value(tf.floor(more), 0, 255), tf.uint8)


def _posterize(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Up to four of the eight bits become 0."""
    cleared = tf.cast(tf.round(4 * tf.abs(strength)), tf.uint8)
    return tf.bitwise.left_shift(tf.bitwise.right_shift(image, cleared), cleared)


def _solarize(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Inverted from a threshold up, which falls from above 255 to 0."""
    threshold = 256 * (1 - tf.abs(strength))
    return tf.where(tf.cast(image, tf.float32) < threshold, image, 255 - image)


OPERATIONS: dict[str, _Operation] = {
    "identity": _identity, "auto contrast": _auto_contrast, "equalize": _equalize, "rotate": _rotate,
    "solarize": _solarize, "colour": _colour, "posterize": _posterize, "contrast": _contrast,
    "brightness": _brightness, "sharpness": _sharpness, "shear x": _shear_x, "shear y": _shear_y,
    "translate x": _translate_x, "translate y": _translate_y}
"""The paper's list (its figure 2) by name: from an image and a signed strength, -1 … 1, to an image."""
