from io import BytesIO

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.data.image_files import photo
from tfpt.data.decode import decode_and_resize, decode_image, resize_channels, resize_image


def stored(pixels: np.ndarray, image_format: str, **options) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, image_format, **options)
    return stream.getvalue()


@pytest.mark.parametrize("pixels, image_format, options", [
    (photo(), "JPEG", {"subsampling": 0}), (photo(), "JPEG", {"subsampling": 2, "quality": 60}),
    (photo(), "JPEG", {"progressive": True}), (photo()[..., 0], "JPEG", {}),
    (photo(), "PNG", {}), (photo()[..., 0], "PNG", {}), (photo(), "BMP", {}), (photo(), "GIF", {})])
def test_pixels_are_those_of_pillow_eagerly_and_in_a_graph(pixels, image_format, options):
    contents = stored(pixels, image_format, **options)
    expected = np.asarray(Image.open(BytesIO(contents)).convert("RGB"))
    assert np.array_equal(decode_image(tf.constant(contents)), expected)
    assert np.array_equal(tf.function(decode_image)(tf.constant(contents)), expected)


@pytest.mark.parametrize("contents", [b"", b"B", b"BM", b"text", stored(photo(), "JPEG")[:-400]])
def test_damaged_bytes_raise(contents):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(tf.constant(contents))


def test_resize_antialiases_rounds_and_repeats_grey():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))[..., np.newaxis]
    small = resize_image(stripes, 8).numpy()
    assert small.shape == (8, 8, 3) and small.dtype == np.uint8
    assert np.abs(small[:, 1:-1].astype(int) - 127.5).max() < 3
    grey = photo()[..., :1]
    assert np.array_equal(resize_image(grey, 20), resize_image(np.repeat(grey, 3, axis=-1), 20))
    assert resize_channels(grey, 20).shape == (20, 20, 1)


@pytest.mark.parametrize("height, width", [(20, 20), (20, 31), (31, 20), (50, 40), (5, 90)])
def test_sizes_known_and_unknown_give_the_same_pixels(height, width):
    image = photo(height=height, width=width)
    any_size = tf.TensorSpec([None, None, 3], tf.uint8)
    unknown = tf.function(lambda one: resize_image(one, 31), input_signature=[any_size])
    antialiased = tf.image.resize(image, (31, 31), antialias=True).numpy()
    assert np.array_equal(unknown(image), resize_image(image, 31))
    assert np.abs(resize_image(image, 31).numpy() - antialiased).max() < 0.51


def test_resize_keeps_an_image_of_that_size_known_or_unknown():
    square = photo(height=32, width=32)
    assert np.array_equal(resize_image(square, 32), square)
    contents = tf.constant(stored(square, "PNG"))
    in_graph = tf.function(lambda one: decode_and_resize(one, 32), autograph=False)
    assert np.array_equal(in_graph(contents), square)


def test_a_batch_resizes_as_its_images_do():
    images = np.stack([photo(seed) for seed in range(3)])
    assert np.array_equal(resize_image(images, 16), [resize_image(image, 16) for image in images])
