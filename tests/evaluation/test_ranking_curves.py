import warnings

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from tfpt.evaluation import ranking_curves
from tfpt.evaluation.ranking_curves import Curve, precision_recall_png, roc_png

DRAW = {"roc": roc_png, "precision_recall": precision_recall_png}


def scored(examples, classes, seed=0):
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, examples - classes)])
    logits = random.normal(size=(examples, classes)) + np.eye(classes)[labels]
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32), labels


def drawn(monkeypatch, draw, probabilities, labels, names):
    """What is handed to Matplotlib: averages, lines by name, notes."""
    seen = []
    monkeypatch.setattr(ranking_curves, "save_figure", lambda put, file: put(None))
    monkeypatch.setattr(ranking_curves, "_draw", lambda figure, *content: seen.extend(content[1:]))
    draw(probabilities, labels, names, None)
    return seen


@pytest.mark.parametrize("kind", DRAW)
@pytest.mark.parametrize("classes", [2, 3, 11])
def test_a_light_picture_without_warnings(tmp_path, kind, classes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DRAW[kind](*scored(80, classes), [f"$ class_{i} 猫" for i in range(classes)], tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.size == (912, 552) and image.getpixel((0, 0))[:3] == (255, 255, 255)
        assert len(image.convert("RGB").getcolors(10**6)) > 50


def test_areas_are_scikit_learns(monkeypatch):
    probabilities, labels = scored(90, 3)
    for kind, measure in (("roc", roc_auc_score), ("precision_recall", average_precision_score)):
        averages, lines, notes = drawn(monkeypatch, DRAW[kind], probabilities, labels, ["a", "b", "c"])
        each = [measure(labels == number, probabilities[:, number]) for number in range(3)]
        assert [curve.score for curve in lines.values()] == pytest.approx(each) and notes == []
        macro, micro = averages.values()
        assert macro.score == pytest.approx(np.mean(each))
        assert micro.score == pytest.approx(measure(np.eye(3)[labels].ravel(), probabilities.ravel()))
        area = abs(np.trapezoid(macro.y, macro.x))
        assert area == pytest.approx(macro.score, abs=0.01), kind


def test_the_mean_of_step_curves_takes_the_height_to_the_right():
    one = Curve(np.array([1.0, 0.5, 0.0]), np.array([0.2, 0.6, 1.0]), 0.4)
    mean = ranking_curves._mean([one], "steps-post")
    assert mean.y[np.searchsorted(-mean.x, -0.75)] == 0.2 and mean.y[np.searchsorted(-mean.x, -0.25)] == 0.6


def test_of_two_classes_there_is_one_roc_curve_and_no_average(monkeypatch):
    probabilities, labels = scored(40, 2)
    averages, lines, _ = drawn(monkeypatch, roc_png, probabilities, labels, ["no", "yes"])
    assert averages == {} and list(lines) == ["yes"]
    averages, lines, _ = drawn(monkeypatch, precision_recall_png, probabilities, labels, ["no", "yes"])
    assert averages == {} and list(lines) == ["no", "yes"]


def test_of_many_classes_the_weakest_are_shown_and_it_says_so(monkeypatch):
    probabilities, labels = scored(300, 12)
    names = [f"class {i}" for i in range(12)]
    _, lines, notes = drawn(monkeypatch, roc_png, probabilities, labels, names)
    areas = {name: roc_auc_score(labels == i, probabilities[:, i]) for i, name in enumerate(names)}
    assert list(lines) == sorted(names, key=areas.get)[:5] and notes == ["the 5 weakest of 12 classes"]


def test_classes_without_examples_have_no_curve_and_it_says_so(monkeypatch):
    probabilities, labels = scored(40, 4)
    labels[labels == 3] = 0
    _, lines, notes = drawn(monkeypatch, roc_png, probabilities, labels, list("abcd"))
    assert list(lines) == ["a", "b", "c"] and notes == ["no curve of 1 classes, which have no examples"]


def test_of_very_many_examples_a_part_is_drawn_and_it_says_so(monkeypatch):
    probabilities, labels = scored(500, 3)
    monkeypatch.setattr(ranking_curves, "MOST_CELLS", 300)
    *_, notes = drawn(monkeypatch, roc_png, probabilities, labels, list("abc"))
    assert notes == ["100 of 500 examples"]
