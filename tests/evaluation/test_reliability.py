import numpy as np
from PIL import Image

from tfpt.evaluation.calibration import confidence_bins
from tfpt.evaluation.reliability import reliability_png


def test_a_bar_for_each_bin_that_has_examples(tmp_path):
    probabilities = np.array([[0.95, 0.05]] * 8 + [[0.65, 0.35]] * 2)
    sizes = {}
    for name, labels in (("right", [0] * 10), ("wrong", [1] * 10)):
        reliability_png(confidence_bins(probabilities, np.array(labels)), tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.size == (648, 648) and image.getpixel((0, 0))[:3] == (255, 255, 255)
            pixels = np.asarray(image.convert("RGB")).astype(int)
            # Bars are blue: more blue than red.
            sizes[name] = int(((pixels[..., 2] - pixels[..., 0]) > 40).sum())
    assert sizes["right"] > 20_000 > 2_000 > sizes["wrong"]
