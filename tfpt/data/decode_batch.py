"""Many encoded images decoded inside a served graph: what can't be decoded is marked, and the others are answered."""

import tensorflow as tf

from tfpt.data.decode import decode_and_resize
from tfpt.data.header import MAX_PIXELS


def decode_batch(contents: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode each image as ``decode_and_resize`` does, in parallel.

    Args:
        contents: string ``[batch]``, the bytes of one file each; the batch may be empty.
        size: the side of the results in pixels.

    Returns:
        uint8 ``[batch, size, size, 3]``, and bool ``[batch]``: which could be decoded. The others are black; among them
        are those whose header says more than ``MAX_PIXELS`` pixels, which are not tried.
    """
    def decode(index: tf.Tensor, one: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        allowed = tf.debugging.assert_less_equal(declared_pixels(one), tf.constant(MAX_PIXELS, tf.int64))
        with tf.control_dependencies([allowed]):
            return index, decode_and_resize(tf.identity(one), size)

    count = tf.shape(contents, out_type=tf.int64)[0]
    images = tf.data.Dataset.from_tensor_slices((tf.range(count), contents))
    images = images.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).ignore_errors()
    # Nothing but tf.data goes on after an error in a graph. There has to be an element, so one goes before all others.
    before = tf.data.Dataset.from_tensors((tf.constant(-1, tf.int64), tf.zeros([size, size, 3], tf.uint8)))
    places, decoded = before.concatenate(images).batch(count + 1).get_single_element()
    places, decoded = places[1:, tf.newaxis], decoded[1:]
    valid = tf.scatter_nd(places, tf.ones_like(places[:, 0], tf.bool), tf.shape(contents, out_type=tf.int64))
    pixels = tf.scatter_nd(places, decoded, tf.stack([count, size, size, 3]))
    return tf.ensure_shape(pixels, [None, size, size, 3]), tf.ensure_shape(valid, [None])


def declared_pixels(contents: tf.Tensor) -> tf.Tensor:
    """Width times height that the header of a JPEG, PNG, GIF or BMP tells, int64; of other bytes 0.

    Raises:
        tf.errors.InvalidArgumentError: the header is cut off.
    """
    def numbers(position: int, kind: tf.DType, little_endian: bool) -> tf.Tensor:
        sides = tf.io.decode_raw(tf.strings.substr(contents, position, 2 * kind.size), kind, little_endian)
        return tf.reduce_prod(tf.abs(tf.cast(tf.ensure_shape(sides, [2]), tf.int64)))

    def jpeg() -> tf.Tensor:
        return tf.reduce_prod(tf.cast(tf.io.extract_jpeg_shape(contents)[:2], tf.int64))

    begins = {b"\xff\xd8": jpeg, b"\x89PNG": lambda: numbers(16, tf.int32, False),
              b"GIF8": lambda: numbers(6, tf.uint16, True), b"BM": lambda: numbers(18, tf.int32, True)}
    return tf.case([(tf.equal(tf.strings.substr(contents, 0, len(mark)), mark), count) for mark, count in
                    begins.items()], default=lambda: tf.constant(0, tf.int64), exclusive=True)
