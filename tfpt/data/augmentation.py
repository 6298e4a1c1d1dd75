"""Augmentation as a pure function: the image, its id, the view's number and the seed decide every pixel.

So it depends neither on the order of the images, nor on threads, batches or what was augmented before.
"""

from functools import cache
from typing import Any

import keras
import tensorflow as tf

from tfpt.config.image_classification import AugmentConfig
from tfpt.data.erasing import erase_rectangle
from tfpt.data.randaugment import randaugment
from tfpt.data.stateless import fold_in, stateless_seed


def effective_views(augment: AugmentConfig) -> int:
    """How many different views of an image there are; 0 means a fresh one every epoch.

    An image that only flips has two, so two are exact however many were asked for; without augmentation there is one.
    """
    if is_identity(augment):
        return 1
    return min(augment.views, 2) if _flips_alone(augment) else augment.views


def is_identity(augment: AugmentConfig) -> bool:
    """Whether every view is the image itself: nothing is on, or the one view of an image that only flips."""
    return not _changes(augment) and (not augment.flip or augment.views == 1)


def is_batchable(augment: AugmentConfig) -> bool:
    """Whether ``flip_images`` alone does it, a whole batch at once."""
    return not _changes(augment)


PLAIN_VIEW = "plain"
_RANDAUGMENT, _ERASING = -1, -2
"""Keep the seeds of a view apart: the draws of Keras's layers are counted from 1."""


def view_text(augment: AugmentConfig, seed: int, view: int) -> str:
    """What the pixels of a view depend on beside the image: the same text, the same pixels."""
    if _flips_alone(augment) and augment.views > 0:
        return "mirrored" if view == 1 else PLAIN_VIEW
    return f"flip {augment.flip} {_changes(augment)} seed {seed} view {view}"


def augment_image(image: tf.Tensor, example_id: tf.Tensor, view: tf.Tensor, augment: AugmentConfig,
                  seed: int) -> tf.Tensor:
    """One view of one image.

    Args:
        image: uint8 ``[size, size, 3]``.
        example_id: int64 scalar, as in ``ImageSource.example_ids``.
        view: int64 scalar, as in ``order.view_numbers`` for ``effective_views(augment)``.
        augment: what may change, in this order: flip; rotation, zoom and contrast, which are those of Keras's layers
            of that name; RandAugment; erasing. Mixing is not part of a view.
        seed: the run's seed.

    Returns:
        uint8 ``[size, size, 3]``. If flipping alone is on, view 0 is the image and view 1 its mirror.
    """
    image = tf.convert_to_tensor(image)
    flipped = flip_images(image[tf.newaxis], tf.reshape(example_id, [1]), tf.reshape(view, [1]), augment, seed)[0]
    if is_batchable(augment):
        return flipped
    seed_of_view = stateless_seed(seed, example_id, view)
    pixels = _through_layers(flipped, seed_of_view, augment)
    if augment.randaugment.operations:
        pixels = randaugment(pixels, fold_in(seed_of_view, _RANDAUGMENT), augment.randaugment.operations,
                             augment.randaugment.magnitude)
    if augment.erasing:
        pixels = erase_rectangle(pixels, fold_in(seed_of_view, _ERASING), augment.erasing)
    return tf.ensure_shape(pixels, image.shape)


def flip_images(images: tf.Tensor, example_ids: tf.Tensor, views: tf.Tensor, augment: AugmentConfig,
                seed: int) -> tf.Tensor:
    """Mirror left and right those of the images whose view says so.

    Args:
        images: uint8 ``[n, size, size, 3]``.
        example_ids: int64 ``[n]``.
        views: int64 ``[n]``.

    Returns:
        uint8 ``[n, size, size, 3]``.
    """
    if not augment.flip:
        return images
    if _flips_alone(augment) and augment.views > 0:
        mirrored = tf.equal(tf.convert_to_tensor(views), 1)
    else:
        mirrored = _coin(example_ids, views, seed)
    # Reversing only what is mirrored is three times as fast as choosing between all images and all mirrors.
    sides = tf.cast(mirrored, tf.int32)
    kept, turned = tf.dynamic_partition(images, sides, 2)
    places = tf.dynamic_partition(tf.range(tf.shape(images)[0]), sides, 2)
    return tf.ensure_shape(tf.dynamic_stitch(places, [kept, tf.reverse(turned, axis=[2])]), images.shape)


def _through_layers(image: tf.Tensor, seed_of_view: tf.Tensor, augment: AugmentConfig) -> tf.Tensor:
    layers = _layers(_layer_settings(augment))
    if not layers:
        return image
    draws = _LayerSeeds(seed_of_view)
    pixels = tf.cast(image, tf.float32)
    for layer in layers:
        transformation = layer.get_random_transformation(pixels, training=True, seed=draws)
        pixels = layer.transform_images(pixels, transformation, training=True)
    return tf.ensure_shape(tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8), image.shape)


class _LayerSeeds(keras.random.SeedGenerator):
    """Gives Keras's layers their seeds from that of the view and a count of the draws, without any state.

    The layers take a SeedGenerator or a plain int, and repeat the int for every draw: this stands in for the first.
    """

    def __init__(self, seed_of_view: tf.Tensor):
        self._seed = seed_of_view
        self._draws = 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        """int64 ``[2]``, another one at each call; non-negative, as Keras casts it to int32."""
        self._draws += 1
        return tf.bitwise.bitwise_and(fold_in(self._seed, self._draws), tf.constant(0x7FFFFFFF, tf.int64))


def _coin(example_ids: tf.Tensor, views: tf.Tensor, seed: int) -> tf.Tensor:
    """A fair coin for each (seed, example, view), bool ``[n]``: one bit of the SplitMix64 mix of the three."""
    mixed = _mix(tf.constant(seed, tf.uint64))
    for numbers in (example_ids, views):
        mixed = _mix(tf.bitwise.bitwise_xor(mixed, tf.bitcast(tf.cast(numbers, tf.int64), tf.uint64)))
    return tf.not_equal(tf.bitwise.bitwise_and(mixed, tf.constant(1, tf.uint64)), tf.constant(0, tf.uint64))


def _mix(words: tf.Tensor) -> tf.Tensor:
    """SplitMix64 (Steele, Lea & Flood 2014) with its increment, on uint64 of any shape."""
    words = words + tf.constant(0x9E3779B97F4A7C15, tf.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        words = tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(shift, tf.uint64)))
        words = words * tf.constant(factor, tf.uint64)
    return tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(31, tf.uint64)))


def _changes(augment: AugmentConfig) -> tuple[tuple[Any, ...], ...]:
    """What a view has beside a flip, with its settings."""
    chosen = augment.randaugment
    return (*_layer_settings(augment),
            *([("randaugment", chosen.operations, chosen.magnitude)] if chosen.operations else []),
            *([("erasing", augment.erasing)] if augment.erasing else []))


def _layer_settings(augment: AugmentConfig) -> tuple[tuple[str, float], ...]:
    settings = {"rotation": augment.rotation, "zoom": augment.zoom, "contrast": augment.contrast}
    return tuple((name, amount) for name, amount in settings.items() if amount > 0)


def _flips_alone(augment: AugmentConfig) -> bool:
    return augment.flip and not _changes(augment)


@cache
def _layers(settings: tuple[tuple[str, float], ...]) -> list[Any]:
    # float32 by name: under a mixed precision policy the layers would compute, and round, in 16 bits.
    # Contrast by a pair: of one number, Keras 3.15 makes the range 1 to 1 + amount, which never lowers the contrast.
    make = {"rotation": lambda amount: keras.layers.RandomRotation(amount, dtype="float32"),
            "zoom": lambda amount: keras.layers.RandomZoom(amount, dtype="float32"),
            "contrast": lambda amount: keras.layers.RandomContrast(
                (amount, amount), value_range=(0, 255), dtype="float32")}
    return [make[name](amount) for name, amount in settings]
