"""Many files decoded at once: in parallel, in one graph, without Python between them."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfpt.data.autotune import without_autotune
from tfpt.data.decode import decode_image, resize_image
from tfpt.data.held_pixels import empty_pixels

_AT_ONCE = 64


def decode_files(paths: Sequence[str], image_size: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode the files of ``paths`` as ``decode_and_resize`` does.

    Returns:
        bool ``[n]``: which could be decoded; and their pixels, uint8 ``[n, image_size, image_size, 3]`` (whatever was
        in memory for the others), or None if ``image_size`` is None, which only tries.
    """
    decoded = np.zeros(len(paths), bool)
    pixels = None if image_size is None else empty_pixels((len(paths), image_size, image_size, 3))
    if not len(paths):
        return decoded, pixels

    def decode(index: tf.Tensor, path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = decode_image(tf.io.read_file(path))
        # Something of the image has to be used, or it isn't decoded at all.
        return index, tf.shape(image) if image_size is None else resize_image(image, image_size)

    # As bytes: a file's name need not be valid UTF-8.
    names = np.array([os.fsencode(path) for path in paths], dtype=object)
    files = tf.data.Dataset.from_tensor_slices((np.arange(len(paths)), names))
    images = files.map(decode, num_parallel_calls=os.cpu_count(), deterministic=False).ignore_errors()
    for index, result in without_autotune(images.batch(_AT_ONCE).prefetch(2)).as_numpy_iterator():
        decoded[index] = True
        if pixels is not None:
            pixels[index] = result
    return decoded, pixels
