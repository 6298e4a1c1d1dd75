"""Batches of images as a ``tf.data.Dataset``: decoded or gathered from memory, augmented, in a repeatable order."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfpt.config.image_classification import AugmentConfig
from tfpt.data.augmentation import augment_image, effective_views, flip_images, is_batchable, is_identity
from tfpt.data.decode import decode_and_resize, resize_image
from tfpt.data.order import epoch_order, view_numbers
from tfpt.data.source import ImageSource

# Fixed rather than AUTOTUNE, which starts at one and has not risen yet when a short epoch ends.
_PARALLEL_CALLS = os.cpu_count() or 1
_PREFETCHED_BATCHES = 4

_Columns = dict[str, tf.Tensor]


def train_batches(source: ImageSource, *, image_size: int, augment: AugmentConfig, seed: int, epoch: int,
                  first_step: int, batch_size: int) -> tf.data.Dataset:
    """The batches of one epoch from batch number ``first_step`` on; the last one may be smaller.

    Order and views are functions of ``seed``, ``epoch`` and the images' contents, so a run that stops can go on
    from any batch. The element_spec is the same in every epoch.

    Yields:
        ``{"image": uint8 [b, size, size, 3], "label": int32 [b]}``
    """
    order = epoch_order(len(source), seed, epoch)[first_step * batch_size:]
    views = view_numbers(source.example_ids[order], seed, epoch, effective_views(augment))
    columns = {"index": order, "example_id": source.example_ids[order], "view": views}
    if is_identity(augment):
        return _batches(source, columns, image_size, batch_size)
    if is_batchable(augment):
        return _batches(source, columns, image_size, batch_size, augment_batch=lambda images, batch: flip_images(
            images, batch["example_id"], batch["view"], augment, seed))
    return _batches(source, columns, image_size, batch_size, augment_one=lambda image, example: augment_image(
        image, example["example_id"], example["view"], augment, seed))


def eval_batches(source: ImageSource, *, image_size: int, batch_size: int) -> tf.data.Dataset:
    """All images in the order of the source, as batches like those of ``train_batches``, without augmentation."""
    return _batches(source, {"index": np.arange(len(source), dtype=np.int64)}, image_size, batch_size)


def _batches(source: ImageSource, columns: dict[str, np.ndarray], image_size: int, batch_size: int,
             augment_one: Callable[[tf.Tensor, _Columns], tf.Tensor] | None = None,
             augment_batch: Callable[[tf.Tensor, _Columns], tf.Tensor] | None = None) -> tf.data.Dataset:
    """One row of ``columns`` per image, in order; images are made one by one only if they have to be."""
    columns = {**columns, "label": source.labels[columns["index"]].astype(np.int32)}
    make_images = _gather_images(source, image_size) if source.pixels is not None else None
    if make_images is None:
        columns["path"] = _encoded_paths(source, columns["index"])
    rows = tf.data.Dataset.from_tensor_slices(columns)

    if make_images is None or augment_one is not None:
        make_one = make_images or _decode_one(image_size)
        rows = _parallel_map(rows, lambda row: {**row, "image": (
            augment_one(make_one(row), row) if augment_one else make_one(row))})

    def finish(batch: _Columns) -> _Columns:
        images = batch["image"] if "image" in batch else make_images(batch)  # type: ignore[misc]
        return {"image": augment_batch(images, batch) if augment_batch else images, "label": batch["label"]}

    return _parallel_map(rows.batch(batch_size), finish).prefetch(_PREFETCHED_BATCHES)


def _gather_images(source: ImageSource, image_size: int) -> Callable[[_Columns], tf.Tensor]:
    """From a row or a batch of rows to uint8 ``[size, size, 3]`` or ``[b, size, size, 3]``."""
    pixels = source.pixel_tensor
    return lambda rows: resize_image(tf.gather(pixels, rows["index"]), image_size)


def _decode_one(image_size: int) -> Callable[[_Columns], tf.Tensor]:
    return lambda row: decode_and_resize(tf.io.read_file(row["path"]), image_size)


def _encoded_paths(source: ImageSource, indices: np.ndarray) -> np.ndarray:
    # As bytes: a file's name need not be valid UTF-8.
    assert source.paths is not None
    return np.array([os.fsencode(source.paths[i]) for i in indices], dtype=object)


def _parallel_map(rows: tf.data.Dataset, function: Callable[[_Columns], Any]) -> tf.data.Dataset:
    return rows.map(function, num_parallel_calls=_PARALLEL_CALLS, deterministic=True)
