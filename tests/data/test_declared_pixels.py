"""What a file says of its size before it is decoded: never less than the decoder would take."""

import struct
import time
import zlib
from io import BytesIO

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.image_files import encoded, photo
from tfpt.data.declared_pixels import REFUSED, declared_pixels
from tfpt.data.decode import decode_image
from tfpt.data.decode_batch import decode_batch

HEIGHT, WIDTH = 30, 41
FORMATS = ("JPEG", "PNG", "GIF", "BMP")


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def declared(contents):
    return declared_pixels(contents)


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def decode(contents):
    return decode_batch(contents, 24)


def is_valid(file: bytes) -> bool:
    return bool(decode(tf.constant([file]))[1].numpy()[0])


def limit_of(file: bytes) -> int:
    """What is declared; REFUSED also where the header is cut off."""
    try:
        return int(declared(tf.constant(file)).numpy())
    except tf.errors.InvalidArgumentError:
        return REFUSED


def gif(pixels=photo(1, HEIGHT, WIDTH), screen=None, frames=1, between=b"") -> bytes:
    """``between`` follows the first frame, or stands before it where there is only one."""
    whole = encoded(pixels, "GIF")
    start = frame_place(whole)
    frame = whole[start:-1]
    body = between + frame if frames == 1 else frame + between + frame * (frames - 1)
    return whole[:6] + (struct.pack("<HH", *screen) if screen else whole[6:10]) + whole[10:start] + body + b";"


def frame_place(file: bytes) -> int:
    """Behind the header and the colour table for all."""
    start = 13 + (6 << file[10] % 8)
    assert file[start:start + 1] == b","
    return start


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def saved(images, kind, **options) -> bytes:
    buffer = BytesIO()
    images[0].save(buffer, kind, save_all=len(images) > 1, append_images=images[1:], **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_header_tells_the_pixels(kind):
    assert declared(tf.constant(encoded(photo(1, HEIGHT, WIDTH), kind))).numpy() == HEIGHT * WIDTH


@pytest.mark.parametrize("contents", [b"", b"<html>", b"\xff\x0a" + bytes(30), encoded(photo(), "WEBP")],
                         ids=["empty", "html", "JPEG XL", "WebP"])
def test_other_formats_are_refused(contents):
    """TensorFlow's decoder takes WebP and JPEG XL too, of any size."""
    assert declared(tf.constant(contents)).numpy() == REFUSED
    assert not is_valid(contents)


def test_a_gif_whose_screen_is_smaller_than_its_frame_tells_its_frame():
    file = gif(screen=(1, 1))
    assert decode_image(tf.constant(file)).shape == (HEIGHT, WIDTH, 3)  # what the decoder takes
    assert declared(tf.constant(file)).numpy() == HEIGHT * WIDTH


def test_a_gif_whose_screen_is_larger_than_its_frame_tells_its_screen():
    assert declared(tf.constant(gif(screen=(9000, 8000)))).numpy() == 72_000_000


def test_a_gif_of_too_many_pixels_behind_a_small_screen_is_not_decoded():
    file = saved([Image.new("P", (10_000, 9_000))], "GIF")
    assert not is_valid(file[:6] + struct.pack("<HH", 1, 1) + file[10:])


def test_the_largest_gif_frame_does_not_overflow():
    file = gif()
    place = frame_place(file)
    file = file[:place + 5] + struct.pack("<HH", 65_535, 65_535) + file[place + 9:]
    assert declared(tf.constant(file)).numpy() == 65_535 ** 2


def test_an_animated_gif_is_refused_without_being_decoded():
    file = gif(np.full((3000, 3000), 7, np.uint8), frames=60)
    decode(tf.constant([gif()]))
    began = time.perf_counter()
    assert not is_valid(file)
    assert time.perf_counter() - began < 0.5  # decoding it takes more than two seconds
    assert declared(tf.constant(file)).numpy() == REFUSED


EXTENSIONS = {"comment": b"!\xfe\x05hello\x00", "graphic control": b"!\xf9\x04\x00\x00\x00\x00\x00",
              "equal blocks": b"!\xff" + b"\x02ab" * 9 + b"\0", "two": b"!\xfe\x01,\0!\xfe\x02,,\0",
              "long": b"!\xfe" + (b"\xff" + bytes(255)) * 9000 + b"\x03,,,\x00"}


@pytest.mark.parametrize("between", EXTENSIONS.values(), ids=EXTENSIONS)
def test_gif_extensions_are_stepped_over(between):
    assert declared(tf.constant(gif(between=between))).numpy() == HEIGHT * WIDTH
    assert is_valid(gif(between=between))
    assert declared(tf.constant(gif(frames=2, between=between))).numpy() == REFUSED


def test_a_gif_with_its_own_colour_table_and_none_for_all():
    whole = gif()
    start, none = frame_place(whole), bytes([whole[10] & 0x7f])
    own = bytes([whole[start + 9] | 0x80 | whole[10] % 8])
    file = whole[:10] + none + whole[11:13] + whole[start:start + 9] + own + whole[13:start] + whole[start + 10:]
    np.testing.assert_array_equal(decode_image(tf.constant(file)), decode_image(tf.constant(whole)))
    assert declared(tf.constant(file)).numpy() == HEIGHT * WIDTH


def test_what_follows_the_trailer_does_not_count():
    assert declared(tf.constant(gif() + gif())).numpy() == HEIGHT * WIDTH


def test_a_gif_of_blocks_made_to_be_slow_is_refused_soon():
    """5 MB whose blocks alternate between one and two bytes."""
    file = gif(between=b"!\xfe" + b"\x01a\x02bb" * 1_000_000 + b"\0")
    declared(tf.constant(gif()))
    began = time.perf_counter()
    assert declared(tf.constant(file)).numpy() == REFUSED
    assert time.perf_counter() - began < 5


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_gif_cut_off_anywhere_is_invalid(data):
    file = gif(between=b"!\xfe\x05hello\x00")
    assert not is_valid(file[:data.draw(st.integers(0, len(file) - 2))])


def test_a_gif_without_its_trailer_is_still_taken():
    """Every pixel is there, and Pillow takes it too."""
    assert is_valid(gif()[:-1])


@given(st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_gif_blocks_are_walked_to_an_end(blocks):
    assert limit_of(b"GIF89a" + bytes(7) + b",\0\0\0\0\x02\0\x02\0\0\x02\0" + blocks) in (4, REFUSED)


SMALL = [encoded(photo(1, 9, 12), kind) for kind in FORMATS] + [gif(photo(1, 9, 12), frames=3)]


@given(st.sampled_from(SMALL), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3), st.booleans())
@settings(max_examples=300, deadline=None)
def test_never_less_than_the_decoder_takes(file, changes, in_header):
    damaged = bytearray(file)
    for place, value in changes:
        damaged[int(place * (min(len(file), 60) if in_header else len(file)) * 0.999)] = value
    try:
        taken = tf.size(decode_image(tf.constant(bytes(damaged)))).numpy() // 3
    except tf.errors.InvalidArgumentError:
        return
    assert limit_of(bytes(damaged)) >= taken


def test_a_png_whose_size_does_not_come_first_is_refused():
    """An unknown chunk, which libpng steps over, holds a small size where the real one would stand."""
    whole = encoded(photo(1, HEIGHT, WIDTH), "PNG")
    file = whole[:8] + chunk(b"abCd", struct.pack(">II", 1, 1) + bytes(5)) + whole[8:]
    assert decode_image(tf.constant(file)).shape == (HEIGHT, WIDTH, 3)  # what the decoder takes
    assert declared(tf.constant(file)).numpy() == REFUSED
    assert not is_valid(file)


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_second_size_does_not_get_past(place):
    """Neither of a PNG nor of a JPEG: the decoder takes the first, or nothing."""
    png = encoded(photo(1, HEIGHT, WIDTH), "PNG")
    small = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    assert not is_valid(png[:8] + (small + png[8:33] if place == "before" else png[8:33] + small) + png[33:])
    jpeg = encoded(photo(1, HEIGHT, WIDTH), "JPEG")
    start = jpeg.index(b"\xff\xc0")
    size = jpeg[start:start + 19]
    small = size[:5] + struct.pack(">HH", 1, 1) + size[9:]
    assert not is_valid(jpeg[:start] + (small + size if place == "before" else size + small) + jpeg[start + 19:])


def test_a_thumbnail_in_a_jpeg_does_not_count():
    jpeg, thumbnail = encoded(photo(1, HEIGHT, WIDTH), "JPEG"), encoded(photo(1, 8, 8), "JPEG")
    file = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail + jpeg[2:]
    assert declared(tf.constant(file)).numpy() == HEIGHT * WIDTH


def test_the_frames_of_an_animated_png_do_not_count():
    images = [Image.fromarray(photo(seed, HEIGHT, WIDTH)) for seed in range(3)]
    file = saved(images, "PNG")
    assert declared(tf.constant(file)).numpy() == HEIGHT * WIDTH
    np.testing.assert_array_equal(decode_image(tf.constant(file)), photo(0, HEIGHT, WIDTH))


@pytest.mark.parametrize("width", [-2 ** 31, -1, 0, 1, 10_000, 65_536, 2 ** 31 - 1])
@pytest.mark.parametrize("height", [-2 ** 31, -10_000, -1, 0, 1, 65_536, 2 ** 31 - 1])
def test_sizes_of_a_bmp_that_could_overflow(width, height):
    bmp = encoded(photo(1, HEIGHT, WIDTH), "BMP")
    file = bmp[:18] + struct.pack("<ii", width, height) + bmp[26:]
    assert declared(tf.constant(file)).numpy() == abs(width * height)
    assert not is_valid(file)


def test_a_bmp_from_the_top_down_tells_its_pixels():
    bmp = encoded(photo(1, HEIGHT, WIDTH), "BMP")
    file = bmp[:22] + struct.pack("<i", -HEIGHT) + bmp[26:]
    assert declared(tf.constant(file)).numpy() == HEIGHT * WIDTH
    assert is_valid(file)
