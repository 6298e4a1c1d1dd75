from io import BytesIO

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.data.odd_formats import png_16_bit
from tfpt.data.decode import decode_image
from tfpt.data.header import BrokenImage
from tfpt.data.normalise import normalised_path, normalised_png, to_rgb
from tfpt.errors import DataError

LEVELS = np.array([[0, 255, 256, 511, 32_768, 65_535]], np.uint16)


def test_16_bit_grey_keeps_the_high_byte_as_the_graph_does():
    contents = png_16_bit(LEVELS)
    pixels = np.asarray(to_rgb(Image.open(BytesIO(contents))))
    assert pixels[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]
    assert np.array_equal(decode_image(tf.constant(contents)), pixels)


@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
def test_16_bit_tiff_of_either_byte_order(tmp_path, byte_order):
    Image.frombytes("I;16" if byte_order == "<u2" else "I;16B", (6, 1), LEVELS.astype(byte_order).tobytes()).save(
        tmp_path / "a.tif")
    assert np.asarray(to_rgb(Image.open(tmp_path / "a.tif")))[0, :, 1].tolist() == [0, 0, 1, 1, 128, 255]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_pixels_are_refused_not_guessed(dtype):
    with pytest.raises(BrokenImage, match="32-bit pixels without an agreed range"):
        to_rgb(Image.fromarray(np.zeros((2, 2), dtype)))


def test_the_png_stands_in_the_cache_alone(own_cache):
    path = normalised_png(Image.new("RGBA", (3, 2), (1, 2, 3, 4)), "ab" * 32)
    assert path == normalised_path("ab" * 32) == own_cache / "images" / f"{'ab' * 32}.png"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert np.asarray(Image.open(path)).tolist() == [[[1, 2, 3]] * 3] * 2


def test_a_cache_that_cannot_be_written_is_an_error(own_cache):
    own_cache.write_text("a file where the folder should be")
    with pytest.raises(DataError, match="can't be written: .* Set TFPT_CACHE"):
        normalised_png(Image.new("L", (1, 1)), "00" * 32)
