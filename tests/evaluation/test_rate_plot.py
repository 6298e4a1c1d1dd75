import numpy as np
import pytest
from PIL import Image

from tfpt.errors import RunError
from tfpt.evaluation.rate_plot import draw_range_test

RATES = list(np.geomspace(1e-6, 1, 50))
LOSSES = [2.0] * 20 + list(np.linspace(2, 1, 20)) + list(np.linspace(1, 50, 10))
RED = np.array([228, 87, 86])


@pytest.mark.parametrize("suggestion", [None, 1e-3])
def test_the_suggestion_is_a_red_line(tmp_path, suggestion):
    draw_range_test(RATES, LOSSES, LOSSES, suggestion, tmp_path / "plot.png")
    pixels = np.asarray(Image.open(tmp_path / "plot.png").convert("RGB")).astype(int)
    assert pixels.shape[0] > 300 and pixels.shape[1] > 600
    red = (np.abs(pixels - RED).max(axis=-1) < 30).sum()
    assert (red > 100) == (suggestion is not None)


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(RunError):
        draw_range_test(RATES, LOSSES, LOSSES, None, tmp_path / "missing" / "plot.png")
