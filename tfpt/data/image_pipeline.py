"""Batches of images as a ``tf.data.Dataset``: decoded or gathered from memory, augmented, in a repeatable order."""

import hashlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfpt.config.image_classification import AugmentConfig
from tfpt.data.augmentation import (
    PLAIN_VIEW, augment_image, effective_views, flip_images, is_batchable, is_identity, view_text)
from tfpt.data.autotune import without_autotune
from tfpt.data.decode import decode_and_resize, resize_image
from tfpt.data.mixing import mix_images, mixed_batches, mixing_seed, mixing_settings
from tfpt.data.order import epoch_order, view_numbers
from tfpt.data.row_segments import KEY_BYTES
from tfpt.data.source import ImageSource
from tfpt.task import Visits

# Fixed rather than AUTOTUNE, which starts at one and has not risen yet when a short epoch ends.
_PARALLEL_CALLS = os.cpu_count() or 1
_PREFETCHED_BATCHES = 4
_SHOWN_TOGETHER = 5

_DECODER = "decode 1"
"""To be raised when the decoder, the resizing or the augmentation gives other pixels than before."""

_Columns = dict[str, tf.Tensor]


def train_batches(source: ImageSource, *, image_size: int, augment: AugmentConfig, seed: int, data_seed: int,
                  epoch: int, first_step: int, batch_size: int) -> tf.data.Dataset:
    """The batches of one epoch from batch number ``first_step`` on; the last one may be smaller.

    Order and views are functions of ``seed``, ``epoch`` and the images' contents, what a view shows one of
    ``data_seed``: a run that stops can go on from any batch. The element_spec is the same in every epoch.

    Yields:
        ``{"image": uint8 [b, size, size, 3], "label": int32 [b]}``; of mixed images what ``mixed_batches`` gives.
    """
    visits = epoch_visits(source, augment, seed, epoch)[first_step * batch_size:]
    batches = image_batches(source, visits, image_size=image_size, augment=augment, seed=data_seed,
                            batch_size=batch_size)
    return mixed_batches(batches, augment, seed, epoch, first_step) if mixing_settings(augment) else batches


def eval_batches(source: ImageSource, *, image_size: int, batch_size: int) -> tf.data.Dataset:
    """All images in the order of the source, as batches like those of ``train_batches``, without augmentation."""
    return image_batches(source, plain_visits(source), image_size=image_size, augment=AugmentConfig(), seed=0,
                         batch_size=batch_size)


def first_training_images(source: ImageSource, *, image_size: int, augment: AugmentConfig, seed: int, data_seed: int,
                          count: int) -> dict[str, np.ndarray]:
    """The first ``count`` images of the first epoch, as ``train_batches`` gives them in batches of five: to look at.

    Of a larger batch all would be mixed by one draw. Made one by one without a graph, which would take a second to
    trace.
    """
    visits = epoch_visits(source, augment, seed, 1)[:count]

    def image(index: int, view: int) -> tf.Tensor:
        plain = resize_image(tf.constant(source.load(index)), image_size)
        return augment_image(plain, tf.constant(source.example_ids[index]), tf.constant(view, tf.int64), augment,
                             data_seed) if visits.augmented else plain

    images = tf.stack([image(index, view) for index, view in zip(visits.index.tolist(), visits.view.tolist())])
    labels = tf.constant(source.labels[visits.index], tf.int32)
    if not mixing_settings(augment):
        return {"image": images.numpy(), "label": labels.numpy()}
    batches = [mix_images(images[start:start + _SHOWN_TOGETHER], labels[start:start + _SHOWN_TOGETHER],
                          mixing_seed(seed, 1, step), augment)
               for step, start in enumerate(range(0, len(visits), _SHOWN_TOGETHER))]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def epoch_visits(source: ImageSource, augment: AugmentConfig, seed: int, epoch: int) -> Visits:
    """Each image once, in the order and the view of ``epoch``."""
    order = epoch_order(len(source), seed, epoch)
    if is_identity(augment):
        return Visits(order, np.zeros(len(order), np.int64), augmented=False)
    views = view_numbers(source.example_ids[order], seed, epoch, effective_views(augment))
    return Visits(order, views, augmented=True)


def plain_visits(source: ImageSource) -> Visits:
    """Each image once as it is, in the order of the source."""
    return Visits(np.arange(len(source), dtype=np.int64), np.zeros(len(source), np.int64), augmented=False)


def image_batches(source: ImageSource, visits: Visits, *, image_size: int, augment: AugmentConfig, seed: int,
                  batch_size: int) -> tf.data.Dataset:
    """The images of ``visits``, in order, in batches like those of ``train_batches``, none of them mixed."""
    columns = {"index": visits.index, "example_id": source.example_ids[visits.index], "view": visits.view}
    if not visits.augmented:
        return _batches(source, columns, image_size, batch_size)
    if is_batchable(augment):
        return _batches(source, columns, image_size, batch_size, augment_batch=lambda images, batch: flip_images(
            images, batch["example_id"], batch["view"], augment, seed))
    return _batches(source, columns, image_size, batch_size, augment_one=lambda image, example: augment_image(
        image, example["example_id"], example["view"], augment, seed))


def visit_keys(source: ImageSource, visits: Visits, augment: AugmentConfig, seed: int) -> np.ndarray:
    """uint8 ``[n, 16]``: equal for two visits if and only if they give the same pixels at the same size.

    An image that is not augmented has the same key under every ``augment`` and ``seed``; so has its mirror.
    """
    texts = {int(view): view_text(augment, seed, int(view)) if visits.augmented else PLAIN_VIEW
             for view in np.unique(visits.view)}
    digests = (hashlib.sha256(f"{_DECODER} {source.hashes[index]} {texts[view]}".encode()).digest()[:KEY_BYTES]
               for index, view in zip(visits.index.tolist(), visits.view.tolist(), strict=True))
    return np.frombuffer(b"".join(digests), np.uint8).reshape(len(visits), KEY_BYTES)


def _batches(source: ImageSource, columns: dict[str, np.ndarray], image_size: int, batch_size: int,
             augment_one: Callable[[tf.Tensor, _Columns], tf.Tensor] | None = None,
             augment_batch: Callable[[tf.Tensor, _Columns], tf.Tensor] | None = None) -> tf.data.Dataset:
    """One row of ``columns`` per image, in order; images are made one by one only if they have to be."""
    columns = {**columns, "label": source.labels[columns["index"]].astype(np.int32)}
    held = source.is_held(len(columns["index"]))
    make_images = _gather_images(source, image_size) if held else None
    if held:
        columns["held_row"] = source.held.rows[columns["index"]]
    else:
        columns["encoded"] = source.stored.column(columns["index"])
    rows = tf.data.Dataset.from_tensor_slices(columns)
    rows = rows if held else source.stored.rows(rows, "encoded")

    if make_images is None or augment_one is not None:
        make_one = make_images or _decode_one(source, image_size)
        rows = _parallel_map(rows, lambda row: {**row, "image": (
            augment_one(make_one(row), row) if augment_one else make_one(row))})

    def finish(batch: _Columns) -> _Columns:
        images = batch["image"] if "image" in batch else make_images(batch)  # type: ignore[misc]
        return {"image": augment_batch(images, batch) if augment_batch else images, "label": batch["label"]}

    return without_autotune(_parallel_map(rows.batch(batch_size), finish).prefetch(_PREFETCHED_BATCHES))


def _gather_images(source: ImageSource, image_size: int) -> Callable[[_Columns], tf.Tensor]:
    """From a row or a batch of rows to uint8 ``[size, size, 3]`` or ``[b, size, size, 3]``."""
    pixels = source.held.tensor
    return lambda rows: resize_image(tf.gather(pixels, rows["held_row"]), image_size)


def _decode_one(source: ImageSource, image_size: int) -> Callable[[_Columns], tf.Tensor]:
    return lambda row: decode_and_resize(source.stored.contents(row["encoded"]), image_size)


def _parallel_map(rows: tf.data.Dataset, function: Callable[[_Columns], Any]) -> tf.data.Dataset:
    return rows.map(function, num_parallel_calls=_PARALLEL_CALLS, deterministic=True)
