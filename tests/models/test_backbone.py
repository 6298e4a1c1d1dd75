import sys

import keras
import numpy as np
import pytest

from tests.backbones import OF_EACH_KIND, every, without_values
from tests.models.conftest import SIZE
from tfpt.models.backbone import backbone_layers, build_backbone, extract_backbone, pixel_input, scale_pixels
from tfpt.models.families import FAMILIES
from tfpt.training.prefix_cache.costs import multiply_accumulates

PIXELS = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)
SCALED_INSIDE = ("MobileNetV3", "EfficientNet", "ConvNeXt")


@pytest.mark.parametrize("name", every(*OF_EACH_KIND))
def test_the_table_has_layers_parameters_and_multiply_accumulates(name):
    row = FAMILIES[name]

    def check() -> None:
        pixels = pixel_input(row.default_size)
        model = keras.Model(pixels, build_backbone(pixels, name, None))
        work = multiply_accumulates(model.inputs, model.outputs)
        assert (len(backbone_layers(model)), model.count_params(), work) == (
            row.layers, row.parameters, row.multiply_accumulates)
        # It is off by default: it would draw from a generator that no checkpoint holds.
        assert not any(type(layer).__name__ == "StochasticDepth" for layer in model.layers)

    without_values(check)


def test_backbone_layers_run_from_input_to_output(trained):
    names = [layer.name for layer in backbone_layers(trained)]
    assert names[0] == "Conv1" and names[-1] == "out_relu"
    assert names.index("block_4_expand") < names.index("block_4_add") < names.index("block_5_expand")
    assert not {"pixels", "pixel_scaling", "head_pool"} & set(names)


@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_names_and_initial_weights_are_the_same_however_many_models_there_are(name):
    """Keras counts layers without a name on and on; runs, files and --unfreeze NAME must not."""
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        pixels = pixel_input(SIZE)
        models.append(keras.Model(pixels, build_backbone(pixels, name, None)))
    first, second = models
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
    for one, other in zip(first.weights, second.weights, strict=True):
        assert one.path == other.path
        np.testing.assert_array_equal(one, other)


def test_initial_weights_are_those_of_keras_from_the_same_seed():
    keras.utils.set_random_seed(3)
    theirs = keras.applications.MobileNetV2(input_shape=(SIZE, SIZE, 3), alpha=0.35, include_top=False, weights=None)
    keras.utils.set_random_seed(3)
    ours = keras.Model(pixels := pixel_input(SIZE), build_backbone(pixels, "MobileNetV2", 0.35))
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def scaled_by_keras(name):
    builder = getattr(keras.applications, name)
    if not name.startswith(SCALED_INSIDE):
        return sys.modules[builder.__module__].preprocess_input(PIXELS.copy())
    if name.startswith("EfficientNetB"):  # Keras has half of it in the weights' file: see test_imagenet as well
        deviation = np.array([0.229, 0.224, 0.225])
        return (PIXELS / 255 - [0.485, 0.456, 0.406]) / deviation
    model = without_values(lambda: builder(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3)))
    values = PIXELS
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Rescaling, keras.layers.Normalization)):
            values = layer(values)
    return np.asarray(values)


@pytest.mark.parametrize("name", every(*OF_EACH_KIND, *(
    name for name in FAMILIES if not name.startswith(SCALED_INSIDE) or name.startswith("EfficientNetB"))))
def test_the_scaling_is_that_of_keras(name):
    pixels, theirs = pixel_input(SIZE), scaled_by_keras(name)
    ours = keras.Model(pixels, scale_pixels(pixels, FAMILIES[name]))(PIXELS)
    assert np.abs(theirs - PIXELS).max() > 100
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * np.abs(theirs).max())


def test_precision_is_that_of_the_caller():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Model(pixels := pixel_input(SIZE), build_backbone(pixels, "MobileNetV3Small", 0.75))
    finally:
        keras.config.set_dtype_policy(before)
    assert {layer.compute_dtype for layer in backbone_layers(model)} == {"float16"}
    assert model.output.dtype == "float16" and {weight.dtype for weight in model.weights} == {"float32"}


def test_the_extracted_backbone_shares_layers_and_gives_the_features(trained):
    backbone = extract_backbone(trained)
    assert backbone.output.shape == (None, 1, 1, 1280)
    assert backbone.get_layer("Conv1") is trained.get_layer("Conv1")
    assert backbone_layers(backbone) == backbone_layers(trained)


def test_the_model_can_be_cut_anywhere(trained):
    cut = trained.get_layer("block_15_add").output
    prefix, suffix = keras.Model(trained.inputs[0], cut), keras.Model(cut, trained.outputs[0])
    np.testing.assert_allclose(suffix(prefix(PIXELS)), trained(PIXELS), atol=1e-6)
