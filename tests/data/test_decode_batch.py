"""Files decoded in a served graph: each like the one decoder does, the broken ones marked, never failing the others."""

from io import BytesIO

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.image_files import encoded, photo
from tfpt.data.decode import decode_and_resize
from tfpt.data.decode_batch import decode_batch

SIZE = 24
FORMATS = ("JPEG", "PNG", "GIF", "BMP")


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def decode(contents):
    return decode_batch(contents, SIZE)


def files():
    return [encoded(photo(place, 30 + place, 41), kind) for place, kind in enumerate(FORMATS)]


def test_every_format_gives_what_the_decoder_gives():
    pixels, valid = decode(tf.constant(files()))
    assert valid.numpy().all()
    for row, file in zip(pixels.numpy(), files()):
        np.testing.assert_array_equal(row, decode_and_resize(tf.constant(file), SIZE).numpy())


def test_no_files_give_no_rows():
    pixels, valid = decode(tf.constant([], tf.string))
    assert pixels.shape == (0, SIZE, SIZE, 3) and valid.shape == (0,)


@given(st.lists(st.one_of(st.integers(0, 3), st.binary(max_size=40)), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_broken_files_are_black_and_the_others_unmoved(batch):
    whole = files()
    pixels, valid = decode(tf.constant([whole[item] if isinstance(item, int) else item for item in batch]))
    assert valid.numpy().tolist() == [isinstance(item, int) for item in batch]
    alone, _ = decode(tf.constant(whole))
    for row, item in zip(pixels.numpy(), batch):
        np.testing.assert_array_equal(row, alone[item].numpy() if isinstance(item, int) else np.zeros_like(row))


@pytest.mark.parametrize("kind", FORMATS)
def test_cut_off_anywhere_nothing_raises(kind):
    file = encoded(photo(1, 20, 20), kind)
    cut = [file[:length] for length in np.linspace(0, len(file) // 2, 12).astype(int)]
    assert not decode(tf.constant(cut))[1].numpy().any()


def test_an_image_of_too_many_pixels_is_not_decoded():
    """A whole and valid PNG of 14 kB, of one bit a pixel: the decoder itself would take it."""
    buffer = BytesIO()
    Image.new("1", (10_000, 9_000)).save(buffer, "PNG")
    assert decode(tf.constant([buffer.getvalue(), files()[1]]))[1].numpy().tolist() == [False, True]
