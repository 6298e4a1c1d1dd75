"""Against models whose answers are known, against closed forms, and against the definitions on plain Keras models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.backbones import as_if_trained, coarse_pictures, every, small_size
from tests.evaluation.known_models import patch_image, patch_model, patch_slices
from tfpt.config.image_classification import HeadConfig, ImageModelConfig
from tfpt.errors import RunError
from tfpt.evaluation import attribution
from tfpt.evaluation.attribution import ClassScores, grad_cam, integrated_gradients
from tfpt.models.classifier import build_classifier, feature_map

PLAIN, PATCH, LIKELIEST = 0, 1, -1


def scores_of(model):
    model.trainable = False
    return ClassScores(model, feature_map(model))


@pytest.mark.parametrize("row, column", [(0, 0), (2, 5), (7, 7)])
def test_grad_cam_is_where_the_patch_is_and_nowhere_else(row, column):
    model = patch_model()
    image = patch_image(row, column)
    found, (heat,) = grad_cam(scores_of(model))(image[None], LIKELIEST)
    np.testing.assert_allclose(tf.nn.softmax(found), model(image[None].astype(np.float32)), atol=1e-6)
    assert heat.shape == (8, 8) and heat.dtype == np.float32
    assert np.flatnonzero(heat).tolist() == [8 * row + column]
    assert heat[row, column] == pytest.approx((250 - 100) * 2 / 64)  # feature times mean gradient


def test_grad_cam_of_another_class_asks_for_that_class():
    look = grad_cam(scores_of(patch_model()))
    image = np.full((32, 32, 3), 50, np.uint8)
    image[patch_slices(1, 1)] = 0
    image[patch_slices(6, 6)] = 250
    _, (plain,) = look(image[None], PLAIN)
    _, (patch,) = look(image[None], PATCH)
    assert np.flatnonzero(plain).tolist() == [9] and np.flatnonzero(patch).tolist() == [54]


@pytest.mark.parametrize("row, column", [(0, 0), (4, 6)])
def test_integrated_gradients_are_in_the_patch_and_zero_elsewhere(row, column):
    model = patch_model()
    image, baseline = patch_image(row, column), np.full((32, 32, 3), 50, np.uint8)
    found = integrated_gradients(scores_of(model))(image, baseline, PATCH, 2000)
    patch = found[patch_slices(row, column)]
    assert (patch > 0).all() and np.count_nonzero(found) == patch.size == 48
    at_ends = model(np.stack([image, baseline]).astype(np.float32)).numpy()[:, PATCH]
    np.testing.assert_allclose(found.sum(), at_ends[0] - at_ends[1], atol=1e-4)
    np.testing.assert_allclose(patch, patch.mean(), rtol=1e-5)


def logistic_model(weights):
    """Two classes, whose probabilities are those of the sum of ``weights`` times levels."""
    pixels = keras.Input(weights.shape)
    pooled = keras.layers.GlobalAveragePooling2D(name="head_pool")(
        keras.layers.Conv2D(1, weights.shape[:2], use_bias=False, name="sum")(pixels))
    model = keras.Model(pixels, keras.layers.Dense(2, "softmax", name="head_output")(pooled))
    model.get_layer("sum").set_weights([weights[..., None]])
    model.get_layer("head_output").set_weights([np.array([[0.0, 1.0]]), np.zeros(2)])
    return model


def test_integrated_gradients_of_logistic_regression_have_a_closed_form():
    random = np.random.default_rng(0)
    weights, image, baseline = random.normal(size=(3, 4, 5, 3)) * np.array([0.02, 50, 50]).reshape(3, 1, 1, 1)
    parts = weights * (image - baseline)

    def probability(levels):
        return 1 / (1 + np.exp(-(weights * levels).sum()))

    expected = parts / parts.sum() * (probability(image) - probability(baseline))
    found = integrated_gradients(scores_of(logistic_model(weights)))(image, baseline, 1, 300)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def small_network():
    """Smooth, so that the sum over steps comes close soon."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(pixels)
    for width in (8, 16):
        x = keras.layers.Conv2D(width, 3, strides=2, use_bias=False)(x)
        x = keras.layers.Activation("gelu")(keras.layers.BatchNormalization()(x))
    pooled = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    hidden = keras.layers.Dense(8, "tanh", kernel_initializer=keras.initializers.RandomNormal(stddev=1))(pooled)
    model = keras.Model(pixels, keras.layers.Dense(4, "softmax", name="head_output")(hidden))
    return as_if_trained(model, coarse_pictures(0, 8, 16))


@pytest.mark.parametrize("wanted", range(4))
def test_attributions_sum_to_what_the_probability_changed_by(wanted):
    model = small_network()
    image, baseline = coarse_pictures(1, 2, 16)
    ends = model(np.stack([image, baseline])).numpy()[:, wanted]
    integrate = integrated_gradients(scores_of(model))
    gaps = [abs(integrate(image, baseline, wanted, steps).sum() - (ends[0] - ends[1])) for steps in (3, 200)]
    assert gaps[1] < 1e-4 < abs(ends[0] - ends[1]) and gaps[1] < gaps[0]


def test_what_is_as_in_the_baseline_has_no_part_and_both_ways_are_opposite():
    integrate = integrated_gradients(scores_of(small_network()))
    image, baseline = coarse_pictures(1, 2, 16)
    image[:8] = baseline[:8]
    found = integrate(image, baseline, 2, 100)
    assert not found[:8].any() and found[8:].any()
    np.testing.assert_allclose(integrate(baseline, image, 2, 100), -found, atol=1e-6)


@pytest.mark.parametrize("room, pieces", [(2**30, [16, 16, 8]), (1, 40 * [1])])
def test_steps_go_in_pieces_and_give_the_same(monkeypatch, room, pieces):
    model, seen = small_network(), []
    image, baseline = coarse_pictures(1, 2, 16)
    expected = integrated_gradients(scores_of(model))(image, baseline, 1, 40)

    def seen_in_what_fits(call, most):
        def noted(rows, *others):
            seen.append(len(rows))
            return call(rows, *others)
        return in_what_fits(noted, most)

    in_what_fits = attribution.InWhatFits
    monkeypatch.setattr(attribution, "InWhatFits", seen_in_what_fits)
    monkeypatch.setattr(attribution, "OUTPUT_BYTES", room)
    found = integrated_gradients(scores_of(model))(image, baseline, 1, 40)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert seen == pieces


def by_definition(model, pixels, baseline, wanted, steps):
    """Grad-CAM maps and the integrated gradients of the first of ``pixels``, by Keras's own calls alone."""
    output = model.layers[-1]
    inside = keras.Model(model.inputs[0], [feature_map(model), output.input])
    with tf.GradientTape() as tape:
        features, hidden = inside(pixels, training=False)
        score = (hidden @ output.kernel + output.bias)[:, wanted]
    slopes = tape.gradient(score, features)
    heat = tf.nn.relu(tf.reduce_sum(tf.reduce_mean(slopes, [1, 2], keepdims=True) * features, -1))
    places = (np.arange(steps, dtype=np.float32)[:, None, None, None] + 0.5) / steps
    points = tf.constant(baseline + places * (pixels[0] - baseline))
    with tf.GradientTape() as tape:
        tape.watch(points)
        answers = model(points, training=False)[:, wanted]
    return heat.numpy(), ((pixels[0] - baseline) * tf.reduce_mean(tape.gradient(answers, points), 0)).numpy()


@pytest.mark.parametrize("name", every("MobileNetV3Small", "MobileNet"))
def test_every_backbone_by_its_last_features(name):
    size = small_size(name)
    keras.utils.set_random_seed(0)
    model = build_classifier(ImageModelConfig(backbone=name, weights="none", head=HeadConfig(units=(8,))), size, 3)
    pixels = coarse_pictures(0, 4, size)
    model = as_if_trained(model, pixels)
    baseline = np.zeros((size, size, 3), np.float32)
    largest = np.abs(grad_cam(scores_of(model))(pixels, 0)[0]).max()
    for weight in model.layers[-1].weights:  # or softmax may be so sure that its gradient is nothing but roundings
        weight.assign(weight / largest)
    scores = scores_of(model)
    look = grad_cam(scores)
    wanted = next(wanted for wanted in range(3) if look(pixels, wanted)[1].any())
    found, maps = look(pixels, wanted)
    heat, parts = by_definition(model, pixels, baseline, wanted, 3)
    np.testing.assert_allclose(tf.nn.softmax(found), model(pixels, training=False), atol=1e-4)
    assert maps.shape == (4, *feature_map(model).shape[1:3])
    np.testing.assert_allclose(maps, heat, atol=1e-3 * heat.max())
    attributions = integrated_gradients(scores)(pixels[0], baseline, wanted, 3)
    np.testing.assert_allclose(attributions, parts, atol=1e-2 * np.abs(parts).max())


def test_a_model_that_ends_otherwise_is_refused():
    pixels = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D(name="head_pool")(pixels)
    for end in (keras.layers.Dense(2, "sigmoid", name="end"), keras.layers.Softmax(name="end")):
        with pytest.raises(RunError, match="ends in a Dense layer with softmax, but found end"):
            scores_of(keras.Model(pixels, end(pooled)))
