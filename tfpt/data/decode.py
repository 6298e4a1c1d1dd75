"""The one decoder, in the graph: training, predict and the serving signature all see an image through it."""

import tensorflow as tf


def decode_image(contents: tf.Tensor) -> tf.Tensor:
    """Decode JPEG, PNG, BMP or a still GIF to the pixels that Pillow gives.

    Args:
        contents: string scalar, the bytes of one file.

    Returns:
        uint8 ``[height, width, 3]``; greyscale is repeated to three channels.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are damaged or of another format.
    """
    # INTEGER_ACCURATE is what libjpeg does by default; TensorFlow's default differs by up to 5 levels.
    def other() -> tf.Tensor:
        return tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")

    def bmp() -> tf.Tensor:
        return tf.io.decode_bmp(contents, channels=3)

    is_bmp = tf.equal(tf.strings.substr(contents, 0, 2), b"BM")
    return tf.ensure_shape(tf.cond(is_bmp, bmp, other), [None, None, 3])


def resize_image(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resize to a square: bilinear with antialiasing, rounded to whole levels.

    Args:
        image: uint8 ``[height, width, channels]`` or ``[n, height, width, channels]``, 1 or 3 channels.
        size: the side of the result in pixels.

    Returns:
        uint8 ``[size, size, 3]`` or ``[n, size, size, 3]``.
    """
    image = resize_channels(image, size)
    # Greyscale is resized before it is repeated: a third of the work, and the same values.
    return image if image.shape[-1] == 3 else tf.repeat(image, 3, axis=-1)


def resize_channels(image: tf.Tensor, size: int) -> tf.Tensor:
    """Like ``resize_image``, but greyscale stays one channel."""
    image = tf.convert_to_tensor(image)
    if image.shape[-3] == size and image.shape[-2] == size:
        return image

    def resize(antialias: bool) -> tf.Tensor:
        return tf.image.resize(image, (size, size), method="bilinear", antialias=antialias)

    # Antialiasing changes nothing where an image is enlarged, and its kernel is seven times as slow.
    enlarges = tf.reduce_all(tf.shape(image)[-3:-1] <= size)
    resized = tf.cond(enlarges, lambda: resize(antialias=False), lambda: resize(antialias=True))
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def decode_and_resize(contents: tf.Tensor, size: int) -> tf.Tensor:
    """Bytes of one file to uint8 ``[size, size, 3]``: ``decode_image``, then ``resize_image``."""
    return resize_image(decode_image(contents), size)
