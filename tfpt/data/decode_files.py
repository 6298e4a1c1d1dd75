"""Many images decoded at once: in parallel, in one graph."""

import os

import numpy as np
import tensorflow as tf

from tfpt.data.autotune import without_autotune
from tfpt.data.decode import decode_image, resize_image
from tfpt.data.encoded_files import EncodedImages
from tfpt.data.held_pixels import empty_pixels

_AT_ONCE = 64


def decode_files(encoded: EncodedImages, image_size: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode all of ``encoded`` as ``decode_and_resize`` does.

    Returns:
        bool ``[n]``: which could be decoded; and their pixels, uint8 ``[n, image_size, image_size, 3]`` (whatever was
        in memory for the others), or None if ``image_size`` is None, which only tries.
    """
    count = len(encoded)
    decoded = np.zeros(count, bool)
    pixels = None if image_size is None else empty_pixels((count, image_size, image_size, 3))
    if not count:
        return decoded, pixels

    def decode(row: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        image = decode_image(encoded.contents(row["encoded"]))
        # Something of the image has to be used, or it isn't decoded at all.
        return row["index"], tf.shape(image) if image_size is None else resize_image(image, image_size)

    indices = np.arange(count)
    rows = tf.data.Dataset.from_tensor_slices({"index": indices, "encoded": encoded.column(indices)})
    images = encoded.rows(rows, "encoded").map(decode, num_parallel_calls=os.cpu_count(), deterministic=False)
    for index, result in without_autotune(images.ignore_errors().batch(_AT_ONCE).prefetch(2)).as_numpy_iterator():
        decoded[index] = True
        if pixels is not None:
            pixels[index] = result
    return decoded, pixels
