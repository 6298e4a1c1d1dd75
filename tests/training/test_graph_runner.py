"""Pieces of a graph give the model's own numbers; frozen BatchNormalization can be folded into convolutions."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.small_models import randomise, random_residual_model, units_of
from tfpt.config.image_classification import ImageModelConfig
from tfpt.models.classifier import build_classifier
from tfpt.training.freezing import Phase, apply_phase
from tfpt.training.graph_runner import graph_runner
from tfpt.training.graph_split import frozen_cuts, reached_nodes

FOLDED_TOLERANCE = 1e-5
PIXELS = np.random.default_rng(0).normal(size=(3, 9, 8, 4)).astype("float32")


def frozen(outputs, inputs):
    model = randomise(keras.Model(inputs, outputs))
    model.trainable = False
    return model


def run_both(model, pixels=PIXELS):
    whole, folded = (tf.function(graph_runner(model.inputs, model.outputs, fold=fold)) for fold in (False, True))
    return whole(pixels), folded(pixels)


def normalisations(model, fold=True):
    """How many BatchNormalizations are left as operations of their own."""
    run = tf.function(graph_runner(model.inputs, model.outputs, fold=fold))
    graph = run.get_concrete_function(*(tf.TensorSpec(x.shape, x.dtype) for x in model.inputs)).graph
    return sum(operation.type == "Rsqrt" for operation in graph.get_operations())


def assert_near(actual, expected, tolerance=FOLDED_TOLERANCE):
    largest = np.abs(expected).max()
    assert np.isfinite(largest) and np.abs(actual - expected).max() <= tolerance * largest


CONVOLUTIONS = {
    "plain": lambda: keras.layers.Conv2D(5, 3, padding="same"),
    "valid, without bias": lambda: keras.layers.Conv2D(5, 3, use_bias=False),
    "strides": lambda: keras.layers.Conv2D(5, (3, 2), strides=(2, 3), padding="same"),
    "dilated": lambda: keras.layers.Conv2D(5, 3, dilation_rate=2, padding="same"),
    "one by one": lambda: keras.layers.Conv2D(5, 1),
    "depthwise": lambda: keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False),
    "depthwise, twice as many": lambda: keras.layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
    "depthwise, strides": lambda: keras.layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, padding="same"),
    "depthwise, dilated": lambda: keras.layers.DepthwiseConv2D(3, dilation_rate=2, padding="same"),
}


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_folded_is_the_same_to_rounding(name, scaled, centered):
    inputs = keras.Input((9, 8, 4))
    x = CONVOLUTIONS[name]()(inputs)
    model = frozen(keras.layers.ReLU()(keras.layers.BatchNormalization(scale=scaled, center=centered)(x)), inputs)
    whole, folded = run_both(model)
    np.testing.assert_array_equal(whole[0], tf.function(model)(PIXELS))
    assert_near(folded[0], whole[0])
    assert (normalisations(model, fold=False), normalisations(model)) == (1, 0)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("side, kernel, strides, padding", [
    (8, 3, 2, ((0, 1), (0, 1))), (9, 3, 2, 1), (8, 5, 1, 2), (8, 3, 2, 1), (8, 3, 1, ((2, 0), (1, 1))), (9, 3, 2, 2)])
def test_zero_padding_in_front_is_taken_in_only_where_it_equals_same(side, kernel, strides, padding, depthwise):
    inputs = keras.Input((side, side, 4))
    x = keras.layers.ZeroPadding2D(padding)(inputs)
    x = keras.layers.DepthwiseConv2D(kernel, strides)(x) if depthwise else keras.layers.Conv2D(5, kernel, strides)(x)
    model = frozen(keras.layers.BatchNormalization()(x), inputs)
    whole, folded = run_both(model, np.random.default_rng(1).normal(size=(2, side, side, 4)).astype("float32"))
    assert folded[0].shape == whole[0].shape and normalisations(model) == 0
    assert_near(folded[0], whole[0])


def test_padding_that_equals_same_runs_with_the_convolution():
    def pads(padding):
        inputs = keras.Input((8, 8, 4))
        x = keras.layers.Conv2D(5, 3, 2)(keras.layers.ZeroPadding2D(padding)(inputs))
        model = frozen(keras.layers.BatchNormalization()(x), inputs)
        graph = tf.function(graph_runner(model.inputs, model.outputs, fold=True)).get_concrete_function(
            tf.TensorSpec((2, 8, 8, 4))).graph
        return any(operation.type in ("Pad", "PadV2") for operation in graph.get_operations())

    assert not pads(((0, 1), (0, 1))) and pads(1)


def test_what_a_second_layer_uses_is_not_folded():
    inputs = keras.Input((9, 8, 4))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    model = frozen(keras.layers.Add()([keras.layers.BatchNormalization()(x), x]), inputs)
    whole, folded = run_both(model)
    assert normalisations(model) == 1
    np.testing.assert_array_equal(folded[0], whole[0])


def test_a_convolution_that_is_an_output_itself_changes_nothing_in_how_the_others_are_computed():
    inputs = keras.Input((9, 8, 4))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    model = frozen([keras.layers.BatchNormalization()(x), x], inputs)
    whole, folded = run_both(model)
    np.testing.assert_array_equal(folded[1], whole[1])
    np.testing.assert_allclose(folded[0], whole[0], rtol=1e-4, atol=1e-5)
    alone = run_both(frozen(model.outputs[0], inputs))[1]
    np.testing.assert_array_equal(folded[0], alone[0])


@pytest.mark.parametrize("convolution", [
    lambda: keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
    lambda: keras.layers.Conv2D(4, 3, padding="same", groups=2),
    lambda: keras.layers.SeparableConv2D(4, 3, padding="same"), lambda: keras.layers.Dense(4)])
def test_what_is_no_plain_convolution_is_not_folded(convolution):
    inputs = keras.Input((9, 8, 4))
    model = frozen(keras.layers.BatchNormalization()(convolution()(inputs)), inputs)
    whole, folded = run_both(model)
    assert normalisations(model) == 1
    np.testing.assert_array_equal(folded[0], whole[0])


def test_batch_normalization_that_trains_is_not_folded():
    inputs = keras.Input((9, 8, 4))
    norm = keras.layers.BatchNormalization()
    model = frozen(norm(keras.layers.Conv2D(4, 3)(inputs)), inputs)
    norm.trainable = True
    run = graph_runner(model.inputs, model.outputs, reached=reached_nodes(model, [norm]), fold=True)
    trained = run(PIXELS)[0]
    assert normalisations(model) == 1
    np.testing.assert_allclose(np.mean(trained, axis=(0, 1, 2)), norm.beta.numpy(), atol=1e-4)


def test_a_bias_that_trains_keeps_its_convolution_as_it_is():
    inputs = keras.Input((9, 8, 4))
    convolution = keras.layers.Conv2D(4, 3)
    model = frozen(keras.layers.BatchNormalization()(convolution(inputs)), inputs)
    convolution.trainable = True
    assert normalisations(model) == 1


def test_mixed_precision_is_not_folded():
    inputs = keras.Input((9, 8, 4))
    policy = keras.DTypePolicy("mixed_bfloat16")
    x = keras.layers.Conv2D(4, 3, dtype=policy)(inputs)
    model = frozen(keras.layers.BatchNormalization(dtype=policy)(x), inputs)
    whole, folded = run_both(model)
    assert whole[0].dtype == tf.bfloat16
    np.testing.assert_array_equal(tf.cast(folded[0], tf.float32), tf.cast(whole[0], tf.float32))


@pytest.mark.parametrize("depthwise", [False, True])
def test_gradients_go_through_a_trainable_kernel(depthwise):
    inputs = keras.Input((9, 8, 4))
    convolution = (keras.layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False) if depthwise
                   else keras.layers.Conv2D(6, 3, use_bias=False))
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(convolution(inputs)))
    model = frozen(keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)), inputs)
    convolution.trainable = True
    gradients = []
    for fold in (False, True):
        run = graph_runner(model.inputs, model.outputs, reached=reached_nodes(model, [convolution]), fold=fold)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(run(PIXELS)[0]))
        gradients.append(tape.gradient(loss, convolution.kernel.value).numpy())
    assert normalisations(model) == 0 and np.abs(gradients[0]).max() > 0
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-4, atol=1e-5 * np.abs(gradients[0]).max())


def test_a_kernel_that_trains_is_read_anew_and_a_frozen_one_when_the_function_is_made():
    inputs = keras.Input((9, 8, 4))
    convolution = keras.layers.Conv2D(4, 3, use_bias=False)
    model = frozen(keras.layers.BatchNormalization()(convolution(inputs)), inputs)
    constant = tf.function(graph_runner(model.inputs, model.outputs, fold=True))
    convolution.trainable = True
    live = tf.function(graph_runner(model.inputs, model.outputs, fold=True))
    before = live(PIXELS)[0]
    convolution.kernel.assign(convolution.kernel * 2)
    assert_near(live(PIXELS)[0], model(PIXELS))
    assert_near(constant(PIXELS)[0], before)


def test_outputs_that_the_inputs_do_not_lead_to_are_refused():
    one, other = keras.Input((4,)), keras.Input((4,))
    outputs = keras.layers.Add()([one, other])
    with pytest.raises(ValueError, match="is needed"):
        graph_runner([one], [outputs])


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10 ** 6), side=st.integers(5, 17), data=st.data())
def test_a_random_residual_graph_cut_anywhere_gives_the_same_numbers(seed, side, data):
    """Unfused float32: the same bits. Fused: to 1e-5 of the largest value."""
    model = random_residual_model(seed, side)
    units = units_of(model)
    layers = apply_phase(model, units, Phase(1, 1, data.draw(st.integers(0, len(units))), 1.0, 0.1, False))
    pixels = np.random.default_rng(seed).normal(size=(3, side, side, 3)).astype("float32")
    expected = tf.function(graph_runner(model.inputs, model.outputs))(pixels)[0]
    cuts = frozen_cuts(model, layers)
    if not cuts:
        return
    cut = data.draw(st.sampled_from(cuts))
    exact = tf.function(graph_runner(model.inputs, cut.tensors))(pixels)
    for fold in (False, True):
        rows = tf.function(graph_runner(model.inputs, cut.tensors, fold=fold))(pixels)
        outputs = tf.function(graph_runner(cut.tensors, model.outputs, fold=fold))(*rows)[0]
        if fold:
            assert_near(outputs, expected)
            for row, exact_row in zip(rows, exact, strict=True):
                assert_near(row, exact_row)
        else:
            np.testing.assert_array_equal(outputs, expected)


@pytest.mark.parametrize("side", [32, 64])
def test_a_real_backbone_folds_to_rounding(side):
    keras.utils.set_random_seed(0)
    model = randomise(build_classifier(ImageModelConfig(backbone="MobileNetV2", alpha=0.35), side, 3))
    model.trainable = False
    pixels = np.random.default_rng(1).integers(0, 256, (2, side, side, 3)).astype("float32")
    pooled = model.get_layer("head_pool").output
    whole, folded = (tf.function(graph_runner(model.inputs, [pooled], fold=fold))(pixels)[0] for fold in (False, True))
    assert_near(folded, whole)
    graph = tf.function(graph_runner(model.inputs, [pooled], fold=True)).get_concrete_function(
        tf.TensorSpec((2, side, side, 3))).graph
    assert not any(operation.type in ("Rsqrt", "Pad") for operation in graph.get_operations())
