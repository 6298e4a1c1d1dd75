"""Random erasing: one rectangle within the paper's bounds, noise in it, everywhere equally often."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.image_files import photo
from tests.data.many_seeds import for_many_seeds
from tfpt.data.erasing import erase_rectangle


def erased(image, seed, probability=1.0):
    return erase_rectangle(tf.constant(image), tf.constant([seed, 7], tf.int64), probability).numpy()


def many(image, count, probability):
    return for_many_seeds(lambda seed: erase_rectangle(tf.constant(image), seed, probability), count)


def bounds(changed):
    """First row, end row, first column, end column of the True part of bool ``[size, size]``, which it has to fill."""
    rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
    box = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    assert changed[box[0]:box[1], box[2]:box[3]].all()
    return box


@pytest.fixture(scope="module")
def rectangles():
    """Heights, widths, noise and marks of what is erased from 400 white images of 40 pixels."""
    images = many(np.full((40, 40, 3), 255, np.uint8), 400, 1.0)
    changed = (images != 255).any(axis=3)
    boxes = np.array([bounds(each) for each in changed])
    return boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2], images[changed], changed


def test_it_is_a_rectangle_within_the_bounds_of_the_paper(rectangles):
    heights, widths, _, _ = rectangles
    shares, ratios = heights * widths / 1600, np.log(heights / widths)
    assert 0.015 < shares.min() < 0.05 and 0.35 < shares.max() < 0.42
    assert abs(shares.mean() - 0.21) < 0.03
    assert -1.5 < ratios.min() < -0.9 and 0.9 < ratios.max() < 1.5 and abs(ratios.mean()) < 0.15


def test_every_edge_is_reached_and_filled_with_noise(rectangles):
    _, _, noise, changed = rectangles
    for edge in (changed[:, 0], changed[:, -1], changed[:, :, 0], changed[:, :, -1]):
        assert 4 < edge.any(axis=1).sum() < 80
    assert changed.mean(axis=0).max() < 0.5
    counts = np.bincount(noise.reshape(-1), minlength=256)
    assert abs(counts / counts.mean() - 1).max() < 0.2  # about 1600 of each value


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_it_happens_with_the_probability(probability):
    image = photo(0, 12, 12)
    changed = (many(image, 600, probability) != image).any(axis=(1, 2, 3)).mean()
    assert changed == probability if probability in (0.0, 1.0) else abs(changed - probability) < 0.09


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(-2**63, 2**63 - 1), size=st.integers(1, 40), channels=st.sampled_from([1, 3]))
def test_any_image_keeps_shape_and_type_and_the_seed_alone_decides(seed, size, channels):
    image = photo(seed % 1000, size, size)[:, :, :channels]
    first, again = erased(image, seed), erased(image, seed)
    assert first.dtype == np.uint8 and first.shape == image.shape and np.array_equal(first, again)


def test_other_seeds_erase_elsewhere():
    assert len({erased(photo(0, 12, 12), seed).tobytes() for seed in range(30)}) == 30
