import numpy as np
import pytest
import tensorflow as tf

from tests.evaluation.known_models import patch_image, patch_model
from tfpt.evaluation.attribution import ClassScores
from tfpt.evaluation.explanations import explanations
from tfpt.models.classifier import feature_map
from tfpt.task import GRAD_CAM, INTEGRATED_GRADIENTS, Question

PLACES = [(0, 3), (5, 5), (7, 0)]
IMAGES = np.stack([patch_image(row, column, seed=row) for row, column in PLACES])
EMPTY = np.full((1, 32, 32, 3), 60, np.uint8)


def explained(images, question, size=2):
    model = patch_model()
    model.trainable = False
    batches = tf.data.Dataset.from_tensor_slices({"image": images, "label": np.zeros(len(images), np.int32)})
    found = list(explanations(ClassScores(model, feature_map(model)), batches.batch(size), question))
    return found, model(images.astype(np.float32)).numpy()


def test_each_example_in_order_with_the_model_s_own_answer():
    found, answers = explained(IMAGES, Question((GRAD_CAM, INTEGRATED_GRADIENTS), steps=300))
    assert [explanation.class_index for explanation in found] == [1, 1, 1]
    np.testing.assert_allclose([explanation.probabilities for explanation in found], answers, atol=1e-6)
    for explanation, (row, column) in zip(found, PLACES):
        heat, fine = explanation.maps[GRAD_CAM], explanation.maps[INTEGRATED_GRADIENTS]
        assert np.unravel_index(heat.argmax(), heat.shape) == (row, column)
        strongest = np.unravel_index(fine.argmax(), fine.shape)
        assert (strongest[0] // 4, strongest[1] // 4) == (row, column) and fine.shape == (32, 32)


@pytest.mark.parametrize("baseline, level", [("black", 0), ("grey", 127.5), ("white", 255)])
def test_attributed_is_what_the_class_gained_over_the_baseline(baseline, level):
    found, answers = explained(IMAGES, Question((INTEGRATED_GRADIENTS,), 0, 500, baseline), size=3)
    at_baseline = patch_model()(np.full((1, 32, 32, 3), level, np.float32)).numpy()[0, 0]
    for explanation, answer in zip(found, answers, strict=True):
        assert explanation.class_index == 0 and list(explanation.maps) == [INTEGRATED_GRADIENTS]
        assert explanation.baseline_score == pytest.approx(at_baseline, abs=1e-6)
        assert explanation.attributed == pytest.approx(answer[0] - at_baseline, abs=5e-3)
        assert explanation.attributed == pytest.approx(explanation.maps[INTEGRATED_GRADIENTS].sum(), abs=1e-5)


def test_a_class_that_nothing_speaks_for():
    (found,), _ = explained(EMPTY, Question((GRAD_CAM,), 1))
    assert not found.maps[GRAD_CAM].any() and found.attributed is None and found.class_index == 1


def test_nothing_is_computed_before_it_is_asked_for():
    def batches():
        raise AssertionError
        yield

    model = patch_model()
    explanations(ClassScores(model, feature_map(model)), batches(), Question((GRAD_CAM,)))
