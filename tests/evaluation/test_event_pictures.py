import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfpt.evaluation.event_pictures import MOST_CURVES, confusion_summary, examples_summary, pr_summaries
from tfpt.evaluation.plots import confusion_matrix_png
from tfpt.task import Answers


def answers_of(labels, classes, wrong=()):
    """Right and sure of it, but for the examples in ``wrong``, which are taken for the next class."""
    said = np.array([(label + (number in wrong)) % classes for number, label in enumerate(labels)])
    return Answers(np.where(said[:, np.newaxis] == np.arange(classes), 0.9, 0.1 / (classes - 1)), np.array(labels))


def picture_of(summary):
    width, height, png = tf.make_ndarray(summary.value[0].tensor)
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size == (int(width), int(height))
        return picture.convert("RGB")


def tags(summaries):
    return [summary.value[0].tag for summary in summaries]


def test_training_examples_are_shown_in_their_colours_with_their_labels():
    colours = [(10 * number, 200, 77) for number in range(7)]
    examples = [(np.full((20, 30, 3), colour, np.uint8), "70% cat\n30% $dog_") for colour in colours]
    picture = picture_of(examples_summary("training", "training examples", examples))
    found = {colour for pixels, colour in picture.getcolors(10**6) if pixels > 300}
    assert set(colours) <= found
    plain = picture_of(examples_summary("training", "training examples", [(image, "") for image, _ in examples]))
    assert np.asarray(picture)[:, :, 0].size > np.asarray(plain)[:, :, 0].size  # no room for two lines of heading


@pytest.mark.parametrize("wrong, matrix", [([], [[1, 0], [0, 2]]), ([0], [[0, 1], [0, 2]])])
def test_the_confusion_matrix_is_the_one_that_evaluate_draws(wrong, matrix):
    buffer = io.BytesIO()
    confusion_matrix_png(matrix, ["a", "b"], buffer)
    found = picture_of(confusion_summary("m", answers_of([0, 1, 1], 2, wrong), ["a", "b"], ""))
    assert found.tobytes() == Image.open(buffer).convert("RGB").tobytes()


def test_every_class_that_can_have_a_curve_has_one():
    summaries = pr_summaries("pr", answers_of([0, 0, 1, 2], 4), ["a", "b", "c", "absent"], "of them")
    assert tags(summaries) == ["pr/a", "pr/b", "pr/c", "pr/all classes together (micro)"]
    recall = tf.make_ndarray(summaries[0].value[0].tensor)[5]
    assert recall[0] == 1 and recall[-1] == 0 and summaries[0].value[0].metadata.summary_description == "of them"
    assert tags(pr_summaries("pr", answers_of([0, 1], 2), ["a", "b"], "")) == ["pr/a", "pr/b"]
    assert pr_summaries("pr", answers_of([1, 1], 2), ["a", "b"], "") == []


def test_of_many_classes_the_weakest_have_curves():
    classes = MOST_CURVES + 10
    labels = list(range(classes)) * 2
    names = [*map(str, labels[:classes])]
    found = tags(pr_summaries("pr", answers_of(labels, classes, wrong=range(10, classes)), names, ""))
    assert found[:-1] == [f"pr/{number}" for number in range(10, classes)]


@pytest.mark.parametrize("classes, examples", [(1000, 6000)])
def test_the_curve_of_all_pairs_is_of_so_many_that_it_costs_little(classes, examples):
    labels = np.arange(examples) % classes
    last = pr_summaries("pr", answers_of(labels.tolist(), classes), [*map(str, range(classes))], "")[-1]
    true, false, *_ = tf.make_ndarray(last.value[0].tensor)
    assert true[0] + false[0] == 5_000_000
