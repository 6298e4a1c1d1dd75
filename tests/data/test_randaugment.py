"""Every operation against Pillow's or by hand; which ones are drawn, how often, and with which sign."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from tests.data.image_files import photo
from tests.data.many_seeds import for_many_seeds
from tfpt.data import randaugment as module
from tfpt.data.randaugment import OPERATIONS, randaugment

PAPER = ("identity", "auto contrast", "equalize", "rotate", "solarize", "colour", "posterize", "contrast",
         "brightness", "sharpness", "shear x", "shear y", "translate x", "translate y")
WITHOUT_MAGNITUDE = ("auto contrast", "equalize")
PILLOW = {"auto contrast": lambda image, strength: ImageOps.autocontrast(image),
          "equalize": lambda image, strength: ImageOps.equalize(image),
          "posterize": lambda image, strength: ImageOps.posterize(image, 8 - round(4 * abs(strength))),
          "solarize": lambda image, strength: ImageOps.solarize(image, 256 * (1 - abs(strength))),
          "colour": lambda image, strength: ImageEnhance.Color(image).enhance(1 + 0.9 * strength),
          "contrast": lambda image, strength: ImageEnhance.Contrast(image).enhance(1 + 0.9 * strength),
          "brightness": lambda image, strength: ImageEnhance.Brightness(image).enhance(1 + 0.9 * strength),
          "sharpness": lambda image, strength: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * strength)}
SEEDS = st.integers(0, 2**32 - 1)


def applied(name, image, strength):
    result = OPERATIONS[name](tf.constant(image), tf.constant(strength, tf.float32))
    assert result.dtype == tf.uint8
    return result.numpy()


def pixels(seed, size, highest=256):
    """A photo for even seeds, noise for odd ones, of few values where ``highest`` is small."""
    image = photo(seed, size, size) if seed % 2 == 0 else np.random.default_rng(seed).integers(0, 256, (size, size, 3))
    return (image.astype(np.int64) * highest // 256).astype(np.uint8)


def test_the_operations_are_those_of_the_paper():
    assert tuple(OPERATIONS) == PAPER


@pytest.mark.parametrize("name", PILLOW)
@pytest.mark.parametrize("strength", [0.0, 0.5, -0.5, 1.0, -1.0])
def test_colours_change_as_pillow_changes_them(name, strength):
    image = photo(3, 40, 40)
    expected = np.asarray(PILLOW[name](Image.fromarray(image), strength)).astype(int)
    difference = np.abs(applied(name, image, strength) - expected)
    # Pillow rounds the stretched values twice.
    assert difference.max() <= (name == "auto contrast") and np.mean(difference > 0) < 0.01


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, size=st.integers(2, 24), highest=st.sampled_from([1, 2, 9, 256]),
       strength=st.floats(-1, 1, width=32), name=st.sampled_from(sorted(PILLOW)))
def test_so_they_do_on_any_image_at_any_strength(seed, size, highest, strength, name):
    image = pixels(seed, size, highest)
    expected = np.asarray(PILLOW[name](Image.fromarray(image), strength)).astype(int)
    assert np.abs(applied(name, image, strength) - expected).max() <= 1  # a product on the edge of a whole number


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, size=st.integers(2, 24), name=st.sampled_from(sorted(set(PAPER) - set(WITHOUT_MAGNITUDE))))
def test_at_magnitude_0_nothing_changes(seed, size, name):
    image = pixels(seed, size)
    for sign in (1.0, -1.0):
        assert np.array_equal(applied(name, image, sign * 0.0), image)


def ramp(size):
    """Linear in x, y and the channel, so that what lies between pixels is known: uint8, and the function itself."""
    def value(x, y):
        return (3 * x + 2 * y)[..., np.newaxis] + 10 * np.arange(3)

    y, x = np.mgrid[:size, :size].astype(float)
    return value(x, y).astype(np.uint8), x, y, value


@pytest.mark.parametrize("strength", [0.4, 1.0, -0.7])
@pytest.mark.parametrize("name", ["rotate", "shear x", "shear y"])
def test_shapes_change_about_centre_and_corner_with_grey_beyond_the_edge(name, strength):
    image, x, y, value = ramp(24)
    angle = np.radians(30 * strength)
    from_x, from_y = {
        "rotate": (11.5 + np.cos(angle) * (x - 11.5) - np.sin(angle) * (y - 11.5),
                   11.5 + np.sin(angle) * (x - 11.5) + np.cos(angle) * (y - 11.5)),
        "shear x": (x + 0.3 * strength * y, y), "shear y": (x, y + 0.3 * strength * x)}[name]
    result = applied(name, image, strength)
    inside = (np.minimum(from_x, from_y) >= 0) & (np.maximum(from_x, from_y) <= 23)
    outside = (np.minimum(from_x, from_y) <= -1) | (np.maximum(from_x, from_y) >= 24)
    assert inside.sum() > 300 and outside.sum() > 5
    assert np.abs(result - value(from_x, from_y))[inside].max() < 0.51
    assert (result[outside] == 128).all()


def test_translation_goes_by_whole_pixels_at_most_150_of_331():
    image = photo(1, 331, 331)
    left, up = applied("translate x", image, 1.0), applied("translate y", image, 0.5)
    assert np.array_equal(left[:, :-150], image[:, 150:]) and (left[:, -150:] == 128).all()
    assert np.array_equal(up[:-75], image[75:]) and (up[-75:] == 128).all()
    right = applied("translate x", image, -0.1)
    assert np.array_equal(right[:, 15:], image[:, :-15]) and (right[:, :15] == 128).all()


@pytest.fixture
def marked(monkeypatch):
    """Operations that add up their numbers in red, count themselves in green, and in blue the positive signs."""
    def mark(number):
        return lambda image, strength: image + tf.cast(
            tf.stack([float(number), 1.0, tf.cast(strength > 0, tf.float32)]), tf.uint8)

    monkeypatch.setattr(module, "OPERATIONS", {name: mark(number) for number, name in enumerate(PAPER)})
    module._function.cache_clear()
    yield
    module._function.cache_clear()


def test_all_operations_and_both_signs_are_drawn_equally_often(marked):
    black = tf.zeros([1, 1, 3], tf.uint8)
    marks = for_many_seeds(lambda seed: randaugment(black, seed, 1, 9.0)[0, 0], 2800)
    drawn = np.bincount(marks[:, 0], minlength=14)
    assert len(drawn) == 14 and abs(drawn - 200).max() < 70  # five standard deviations
    assert (marks[:, 1] == 1).all() and abs(marks[:, 2].mean() - 0.5) < 0.05


def test_as_many_are_applied_as_was_asked_for(marked):
    black = tf.zeros([1, 1, 3], tf.uint8)
    for operations in (1, 2, 16):
        assert randaugment(black, tf.constant([0, 1], tf.int64), operations, 9.0)[0, 0, 1] == operations


@settings(max_examples=12, deadline=None)
@given(seed=st.tuples(st.integers(-2**63, 2**63 - 1), SEEDS), operations=st.sampled_from([1, 3]),
       magnitude=st.sampled_from([0.0, 10.0]))
def test_the_seed_alone_decides(seed, operations, magnitude):
    image = photo(0, 16, 16)
    first, again = (randaugment(image, tf.constant(seed, tf.int64), operations, magnitude).numpy() for _ in range(2))
    assert first.dtype == np.uint8 and first.shape == image.shape and np.array_equal(first, again)


def test_other_seeds_give_other_images():
    image = photo(0, 16, 16)
    results = for_many_seeds(lambda seed: randaugment(image, seed, 2, 9.0), 50)
    assert len(np.unique(results, axis=0)) > 40  # a few draws are the same operations
