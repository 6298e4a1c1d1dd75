import keras
import numpy as np
import pytest

from tests.models.conftest import SIZE
from tfpt.models.backbone import backbone_layers, build_backbone, extract_backbone, pixel_input
from tfpt.models.families import FAMILIES

PIXELS = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_table_counts_the_layers(name):
    row = FAMILIES[name]
    pixels = pixel_input(row.minimum_size)
    alpha = row.imagenet_alphas[0] if row.takes_alpha else None
    layers = backbone_layers(keras.Model(pixels, build_backbone(pixels, name, alpha)))
    assert len(layers) == row.layers


def test_backbone_layers_run_from_input_to_output(trained):
    names = [layer.name for layer in backbone_layers(trained)]
    assert names[0] == "Conv1" and names[-1] == "out_relu"
    assert names.index("block_4_expand") < names.index("block_4_add") < names.index("block_5_expand")
    assert not {"pixels", "pixel_scaling", "head_pool"} & set(names)


def test_the_scaling_is_that_of_the_family():
    ours = keras.Model(pixels := pixel_input(SIZE), build_backbone(pixels, "MobileNetV2", 0.35))
    theirs = keras.applications.MobileNetV2(input_shape=(SIZE, SIZE, 3), alpha=0.35, include_top=False, weights=None)
    theirs.set_weights(ours.get_weights())
    expected = theirs(keras.applications.mobilenet_v2.preprocess_input(PIXELS.copy()))
    np.testing.assert_allclose(ours(PIXELS), expected, atol=1e-5)


def test_the_extracted_backbone_shares_layers_and_gives_the_features(trained):
    backbone = extract_backbone(trained)
    assert backbone.output.shape == (None, 1, 1, 1280)
    assert backbone.get_layer("Conv1") is trained.get_layer("Conv1")
    assert backbone_layers(backbone) == backbone_layers(trained)


def test_the_model_can_be_cut_anywhere(trained):
    cut = trained.get_layer("block_15_add").output
    prefix, suffix = keras.Model(trained.inputs[0], cut), keras.Model(cut, trained.outputs[0])
    np.testing.assert_allclose(suffix(prefix(PIXELS)), trained(PIXELS), atol=1e-6)
