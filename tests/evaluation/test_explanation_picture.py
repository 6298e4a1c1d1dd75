import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tfpt.evaluation.explanation_picture import explanation_png
from tfpt.task import GRAD_CAM, INTEGRATED_GRADIENTS

ANSWER = {"label": "cat", "score": 0.93, "class": "cat", "class_score": 0.93}
TEAL = (10, 120, 130)
LOW, HIGH = (tuple(int(255 * value) for value in matplotlib.colormaps["inferno"](level)[:3]) for level in (0.0, 1.0))
GREY = 0.299 * TEAL[0] + 0.587 * TEAL[1] + 0.114 * TEAL[2]
QUIET = np.round(0.4 * GREY + 0.6 * np.array(LOW))


def drawn(path, image, maps, answer=ANSWER, name="cat.jpg"):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explanation_png(image, maps, answer, name, path / "a.png")
    with Image.open(path / "a.png") as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def places(picture, colour, tolerance=3):
    """Rows and columns of a colour's pixels."""
    return np.nonzero((np.abs(picture - np.array(colour)) <= tolerance).all(axis=-1))


def plain(height, width):
    return np.full((height, width, 3), TEAL, np.uint8)


@pytest.mark.parametrize("row, column", [(0, 0), (1, 2), (2, 1)])
def test_heat_lies_where_the_map_has_it(tmp_path, row, column):
    heat = np.zeros((30, 30), np.float32)
    heat[10 * row:10 * row + 10, 10 * column:10 * column + 10] = 7
    picture = drawn(tmp_path, plain(60, 60), {GRAD_CAM: heat})
    image = places(picture, TEAL)
    assert len(image[0]) > 100_000 and image[1].max() < picture.shape[1] // 2  # the image is on the left
    top, side = image[0].min(), np.ptp(image[0]) + 1
    picture[:top] = picture[top + side:] = 0  # grey parts of letters
    quiet, hot = places(picture, QUIET), places(picture, HIGH)
    left = min(quiet[1].min(), hot[1].min())
    assert (hot[0].mean() - top) / side == pytest.approx((row + 0.5) / 3, abs=0.02)
    assert (hot[1].mean() - left) / side == pytest.approx((column + 0.5) / 3, abs=0.02)


def test_what_speaks_against_a_class_is_not_shown(tmp_path):
    against = drawn(tmp_path, plain(60, 60), {INTEGRATED_GRADIENTS: np.full((30, 30), -1.0)})
    assert len(places(against, QUIET)[0]) > 100_000 and not len(places(against, HIGH)[0])


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_empty_map_is_quiet_and_says_so(tmp_path, value):
    maps = {GRAD_CAM: np.full((3, 3), value, np.float32)}
    empty = drawn(tmp_path, plain(60, 60), maps)
    one = drawn(tmp_path, plain(60, 60), {GRAD_CAM: np.eye(3)})
    assert len(places(empty, QUIET)[0]) > 100_000
    lower = slice(-30, None)
    assert (empty[lower] < 100).sum() > (one[lower] < 100).sum()  # more letters below


@pytest.mark.parametrize("height, width", [(1, 1), (20, 300), (300, 20), (8, 8), (1000, 1500)])
@pytest.mark.parametrize("methods", [1, 2])
def test_images_of_any_size_keep_their_shape(tmp_path, height, width, methods):
    maps = dict(zip((GRAD_CAM, INTEGRATED_GRADIENTS)[:methods], (np.eye(7), np.eye(224))))
    picture = drawn(tmp_path, plain(height, width), maps)
    rows, columns = places(picture, TEAL)
    shape = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert max(shape) > 250 and 300 < picture.shape[0] + picture.shape[1] < 2500
    assert max(abs(shape[0] - max(shape) * height / max(height, width)),
               abs(shape[1] - max(shape) * width / max(height, width))) < 4


@pytest.mark.parametrize("height, width", [(1, 2000), (2000, 1)])
def test_a_line_of_pixels(tmp_path, height, width):
    assert max(drawn(tmp_path, plain(height, width), {GRAD_CAM: np.eye(7)}).shape) < 1200


def test_the_title_tells_which_class_and_what_the_model_said(tmp_path):
    own = drawn(tmp_path, plain(60, 60), {GRAD_CAM: np.eye(3)})
    other = drawn(tmp_path, plain(60, 60), {GRAD_CAM: np.eye(3)}, {**ANSWER, "class": "dog", "class_score": 0.05})
    upper = slice(0, 30)
    assert (other[upper] < 100).sum() > 2 * (own[upper] < 100).sum() > 0


def test_names_are_no_formulas_and_may_be_of_any_script(tmp_path):
    odd = {**ANSWER, "label": "$\\frac_{", "class": "猫\n" * 40}
    assert drawn(tmp_path, plain(9, 9), {GRAD_CAM: np.eye(3)}, odd, "$x^$" * 30).size
