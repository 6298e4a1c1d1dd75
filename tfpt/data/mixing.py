"""Mixup and CutMix: every image of a batch is mixed with the one before it, and keeps both labels.

Mixup (Zhang et al. 2018) blends the pixels of two images, CutMix (Yun et al. 2019) puts a rectangle of one into the
other. How is drawn once for a batch, as in the papers' code, from (seed, epoch, step). The batch is that of a whole
update, so what is mixed depends neither on how an update is divided into micro-batches nor on where a run was resumed.
Which images are neighbours is drawn with the order of the epoch.
"""

import tensorflow as tf

from tfpt.config.image_classification import AugmentConfig
from tfpt.data.stateless import fold_in, stateless_seed

_STREAM = -1
"""Keeps these seeds apart from those of the views, which begin with an example's id."""


def mixing_settings(augment: AugmentConfig) -> list[str]:
    """Those that make mixed images, by their names in a config; none: images are not mixed."""
    return [f"augment.{name}" for name in ("mixup", "cutmix") if getattr(augment, name) > 0]


def new_images_text(augment: AugmentConfig) -> str:
    """Why no image that is trained on comes again; empty if none are mixed."""
    names = mixing_settings(augment)
    verb = "makes" if len(names) == 1 else "make"
    return f"{' and '.join(names)} {verb} new images out of pairs in each epoch" if names else ""


def mixed_batches(batches: tf.data.Dataset, augment: AugmentConfig, seed: int, epoch: int,
                  first_step: int) -> tf.data.Dataset:
    """``batches``, the first of which is number ``first_step`` of ``epoch``, with their images mixed.

    Yields:
        ``{"image": uint8 [b, size, size, 3], "label": int32 [b], "other_label": int32 [b], "share": float32 [b]}``,
        as ``mix_images`` makes them.
    """
    def mixed(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return mix_images(batch["image"], batch["label"], mixing_seed(seed, epoch, step), augment)

    return batches.enumerate(first_step).map(mixed, num_parallel_calls=2, deterministic=True).prefetch(1)


def mixing_seed(seed: int, epoch: int, step: int | tf.Tensor) -> tf.Tensor:
    """That of one batch, int64 ``[2]``."""
    return stateless_seed(seed, _STREAM, epoch, step)


def mix_images(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, augment: AugmentConfig) -> dict[str, tf.Tensor]:
    """Every image with the one before it, the first with the last one; where both ways are on, one is drawn evenly.

    Args:
        images: uint8 ``[b, size, size, 3]``.
        labels: int32 ``[b]``.
        seed: int64 ``[2]``.
        augment: ``mixup`` and ``cutmix`` are the parameters of the symmetric beta distributions of the share.

    Returns:
        ``image`` as ``images``; ``label`` as it was, ``other_label`` that of what was mixed in; ``share`` float32
        ``[b]``, how much of the image belongs to ``label``, the same for all.
    """
    others = tf.roll(images, 1, axis=0)

    def blended() -> tuple[tf.Tensor, tf.Tensor]:
        share = _symmetric_beta(augment.mixup, fold_in(seed, 1))
        mixed = share * tf.cast(images, tf.float32) + (1 - share) * tf.cast(others, tf.float32)
        return tf.cast(tf.round(mixed), tf.uint8), share

    def pasted() -> tuple[tf.Tensor, tf.Tensor]:
        inside = _rectangle(images.shape[1], _symmetric_beta(augment.cutmix, fold_in(seed, 1)), fold_in(seed, 2))
        share = 1 - tf.reduce_mean(tf.cast(inside, tf.float32))
        return tf.where(inside[:, :, tf.newaxis], others, images), share

    if augment.mixup > 0 and augment.cutmix > 0:
        image, share = tf.cond(tf.random.stateless_uniform([], fold_in(seed, 3)) < 0.5, blended, pasted)
    else:
        image, share = blended() if augment.mixup > 0 else pasted()
    return {"image": tf.ensure_shape(image, images.shape), "label": labels, "other_label": tf.roll(labels, 1, axis=0),
            "share": tf.fill(tf.shape(labels), share)}


def _symmetric_beta(alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """float32 scalar from Beta(alpha, alpha): the share of one of two gamma variates of shape ``alpha`` in their sum.

    Each is one of shape ``alpha + 1`` times ``uniform ** (1 / alpha)`` (Marsaglia & Tsang 2000, section 6), here by
    logarithms: of a small ``alpha`` both would be 0.
    """
    gammas = tf.random.stateless_gamma([2], fold_in(seed, 1), alpha + 1.0, dtype=tf.float64)
    uniforms = 1 - tf.random.stateless_uniform([2], fold_in(seed, 2), dtype=tf.float64)  # above 0
    first, second = tf.unstack(tf.math.log(gammas) + tf.math.log(uniforms) / alpha)
    return tf.cast(tf.sigmoid(first - second), tf.float32)


def _rectangle(size: int, share: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """bool ``[size, size]``: a square of ``1 - share`` of the image about a uniform centre, less what lies outside."""
    half = tf.cast(tf.floor(size * tf.sqrt(1 - share)), tf.int32) // 2
    centre = tf.random.stateless_uniform([2], seed, 0, size, tf.int32)
    places = tf.range(size)
    rows, columns = [(places >= centre[axis] - half) & (places < centre[axis] + half) for axis in (0, 1)]
    return rows[:, tf.newaxis] & columns
