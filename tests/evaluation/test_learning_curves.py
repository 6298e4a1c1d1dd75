import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tfpt.evaluation import learning_curves
from tfpt.evaluation.learning_curves import learning_curves_png, shared_metrics

EPOCHS = [{"epoch": number, "phase": 1 + (number > 2), "loss": 1 / number, "accuracy": 1 - 0.5 / number,
           "validation_loss": 1.2 / number, "validation_accuracy": 0.9 - 0.5 / number} for number in range(1, 6)]
PHASES = [{"from_epoch": 1, "to_epoch": 2, "unfreeze": 0, "units": 153, "batch_norm": "frozen"},
          {"from_epoch": 3, "to_epoch": 9, "unfreeze": 10, "units": 153, "batch_norm": "frozen"}]


def shade(number):
    return tuple(int(learning_curves.SHADES[number][i:i + 2], 16) for i in (1, 3, 5))


def test_phases_stand_behind_the_curves_in_their_share_of_the_width(tmp_path):
    learning_curves_png(EPOCHS, PHASES, 4, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    counts = [int((pixels == shade(number)).all(axis=-1).sum()) for number in range(2)]
    assert counts[0] > 20_000 and counts[1] / counts[0] == pytest.approx(3 / 2, rel=0.1)


def test_the_legend_says_what_trained_when_and_what_was_kept():
    figure = Figure(layout="constrained")
    learning_curves._draw(figure, EPOCHS, PHASES, 4)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "epochs 1–2: head only", "epochs 3–5: + last 10 of 153 layers", "training", "validation", "kept: epoch 4"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]


def test_an_epoch_alone_and_a_loss_that_was_not_finite(tmp_path):
    broken = [{**EPOCHS[0], "loss": None}]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learning_curves_png(broken, [], None, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5_000


def test_metrics_of_training_alone_have_no_panel():
    assert shared_metrics([{"epoch": 1, "phase": 1, "loss": 1.0, "gradient": 3.0, "validation_loss": 2.0}]) == ["loss"]
