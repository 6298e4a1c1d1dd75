import warnings

import numpy as np
import pytest
from PIL import Image

from tfpt.evaluation.worst import SHOWN, worst_examples, worst_png
from tfpt.task import Answers

NAMES = ["cat", "dog"]


def rows_of(count):
    truth_scores = np.linspace(0.01, 0.9, count)
    probabilities = np.stack([truth_scores, 1 - truth_scores], axis=1).astype(np.float32)
    answers = Answers(probabilities, np.zeros(count, int))
    return worst_examples(answers, NAMES, [f"pictures/{i}.jpg" for i in range(count)])


def test_the_highest_loss_comes_first_whether_right_or_wrong():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.45, 0.55], [0.3, 0.7]], np.float32)
    rows = worst_examples(Answers(probabilities, np.array([0, 0, 1, 1])), NAMES, ["a", "b", "c", "d"])
    assert [row["name"] for row in rows] == ["b", "c", "d", "a"]
    assert rows[0] == {"index": 1, "name": "b", "truth": "cat", "truth_score": pytest.approx(0.2),
                       "loss": pytest.approx(-np.log(0.2)), "predicted": "dog", "score": pytest.approx(0.8)}


def test_there_are_twenty_at_most():
    assert [len(rows_of(count)) for count in (3, SHOWN, 300)] == [3, SHOWN, SHOWN]


@pytest.mark.parametrize("count", [1, 4, 7, 20])
def test_the_sheet_shows_every_image_in_its_colour(tmp_path, count):
    colours = [(10 * number, 255 - 10 * number, 77) for number in range(count)]
    images = [np.full((300 if number % 2 else 20, 30, 3), colour, np.uint8) for number, colour in enumerate(colours)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        worst_png(rows_of(count), images, tmp_path / "worst.png")
    with Image.open(tmp_path / "worst.png") as image:
        found = {colour for pixels, colour in image.convert("RGB").getcolors(10**6) if pixels > 300}
    assert set(colours) <= found


def test_texts_are_shown_as_such(tmp_path):
    texts = ["a $ formula_? no\n" + "and then a very long text " * 50, ""]
    worst_png(rows_of(2), texts, tmp_path / "worst.png")
    with Image.open(tmp_path / "worst.png") as image:
        grey = np.asarray(image.convert("L"))
    left, right = np.array_split(grey, 2, axis=1)
    assert (left < 100).sum() > (right < 100).sum() + 2000  # both have a frame and a title
