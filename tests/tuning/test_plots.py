import math
import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tests.tuning.results import completed, failed
from tfpt.errors import RunError
from tfpt.tuning.plots import draw_best_so_far, draw_scores

VALUES = [("a.rate", 1e-4), ("a.depth", 5), ("b.mixed", "all"), ("b.units", [128, 64]), ("b.flag", True),
          ("b.maybe", None), ("c." + "a_very_long_name" * 4, "$ a rather long value of text 猫"), ("c.zero", 0.0)]


def search(trials, dimensions, fails=lambda number: number % 5 == 4):
    def values(number):
        changed = {name: value * (1 + number) if isinstance(value, float) else value for name, value in VALUES}
        changed["b.mixed"] = [0, 5, "all", None][number % 4]
        return dict([*changed.items(), *((f"more.number_{index}", index * number) for index in range(9))][:dimensions])

    return [failed(number, **values(number)) if fails(number) else
            completed(number, 0.5 + 0.4 * math.sin(number), **values(number)) for number in range(1, trials + 1)]


@pytest.mark.parametrize(("results", "dimensions"), [
    (search(20, 3), 3), (search(1, 3), 3), (search(6, 3, fails=lambda _: True), 3), (search(200, 17), 17),
    (search(20, 1), 1), ([], 2), (search(3, 0), 0)])
def test_light_pictures_of_every_search_without_warnings(tmp_path, results, dimensions):
    names = list(results[0].values) if results else ["a.rate", "a.depth"]
    with warnings.catch_warnings(), matplotlib.rc_context({"axes.facecolor": "black", "figure.facecolor": "black"}):
        warnings.simplefilter("error")
        draw_scores(results, names, "accuracy", "max", tmp_path / "scores.png", log_names=["a.rate", "c.zero"])
        draw_best_so_far(results, "min", "loss", tmp_path / "best.png")
    for name in ("scores.png", "best.png"):
        with Image.open(tmp_path / name) as image:
            assert image.getpixel((0, 0))[:3] == (255, 255, 255)
            assert 400 < image.width < 2000 and 250 < image.height < 2500
    assert sorted(file.name for file in tmp_path.iterdir()) == ["best.png", "scores.png"]


def coloured(file, red, green, blue):
    """Where a picture has about this colour: rows and columns of pixels."""
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=int)
    return np.nonzero((abs(pixels - [red, green, blue]) < 25).all(axis=2))


def test_the_best_is_marked_where_it_is(tmp_path):
    for direction in ("max", "min"):
        results = [completed(number, number / 10, **{"a.depth": number}) for number in range(1, 8)]
        draw_scores(results, ["a.depth"], "accuracy", direction, tmp_path / f"{direction}.png")
    (high, right), (low, left) = (coloured(tmp_path / f"{name}.png", 0xe4, 0x57, 0x2e) for name in ("max", "min"))
    with Image.open(tmp_path / "max.png") as image:
        assert right.max() > 0.9 * image.width and left.min() < 0.3 * image.width
        assert np.median(high) < 0.4 * image.height < np.median(low)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match="best.png"):
        draw_best_so_far([completed(1, 0.5)], "max", "accuracy", tmp_path / "nowhere" / "best.png")
