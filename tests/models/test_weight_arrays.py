import keras
import numpy as np
import pytest

from tests.backbones import without_values
from tests.models.conftest import CONFIG, SIZE, small_classifier
from tfpt.errors import WeightsError
from tfpt.models.backbone import backbone_layers, extract_backbone
from tfpt.models.weight_arrays import advice, alpha_that_fits, arrays_of, fill_backbone, named_weights


def test_every_backbone_weight_is_copied_and_nothing_else(trained, fresh):
    head = fresh.get_layer("head_output").kernel.numpy()
    fill_backbone(fresh, arrays_of(trained.layers), CONFIG, "a model")
    for target, source in zip(extract_backbone(fresh).weights, extract_backbone(trained).weights, strict=True):
        np.testing.assert_array_equal(target, source)
    np.testing.assert_array_equal(fresh.get_layer("head_output").kernel, head)


@pytest.mark.parametrize("change, message", [
    (lambda arrays: arrays.pop("block_5_expand/kernel"), "block_5_expand/kernel, but the file lacks it"),
    (lambda arrays: arrays["bn_Conv1/gamma"].fill(np.nan), "aren't finite in bn_Conv1/gamma")])
def test_what_is_missing_or_not_finite_is_named_and_nothing_is_set(trained, fresh, change, message):
    before = fresh.get_weights()
    arrays = {name: value.copy() for name, value in arrays_of(backbone_layers(trained)).items()}
    change(arrays)
    with pytest.raises(WeightsError, match=message):
        fill_backbone(fresh, arrays, CONFIG, "the file")
    for now, then in zip(fresh.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_another_alpha_is_recognised(fresh):
    arrays = arrays_of(backbone_layers(small_classifier(0, alpha=0.75)))
    with pytest.raises(WeightsError, match=r"expects .* as \(.*the file has it as \(.*use --alpha 0.75"):
        fill_backbone(fresh, arrays, CONFIG, "the file")


def test_shapes_of_no_known_alpha():
    assert alpha_that_fits("MobileNetV2", [(3, 3, 3, 7)]) is None


def numbered_model(first_width: int = 3) -> keras.Model:
    """Layers that Keras names: two branches, of which the second has convolutions of other numbers."""
    inputs = keras.Input((4, 4, 3))
    one = keras.layers.Conv2D(first_width, 1)(inputs)
    other = keras.layers.BatchNormalization()(keras.layers.Conv2D(3, 1)(inputs))
    return keras.Model(inputs, keras.layers.Conv2D(2, 1, name="conv2d_own")(keras.layers.Concatenate()([one, other])))


def test_layers_that_keras_names_are_numbered_from_0_in_the_order_of_their_making():
    first, second = numbered_model(), numbered_model()
    assert [layer.name for layer in first.layers] != [layer.name for layer in second.layers]
    names = [name for name, _ in named_weights(first.layers)]
    assert names == [name for name, _ in named_weights(second.layers)]
    assert {"conv2d/kernel", "conv2d_1/bias", "batch_normalization/moving_mean", "conv2d_own/kernel"} <= set(names)
    by_name = dict(named_weights(reversed(second.layers)))
    layers = sorted((layer for layer in second.layers if type(layer) is keras.layers.Conv2D and layer.name[-1] != "n"),
                    key=lambda layer: int(layer.name.rpartition("_")[2]))
    assert by_name["conv2d/kernel"] is layers[0].kernel and by_name["conv2d_1/kernel"] is layers[1].kernel


def test_weights_without_a_name_of_their_own_are_numbered_by_layer():
    """ConvNeXt's LayerScale has one."""
    def scaled() -> keras.Model:
        inputs = keras.Input((4, 4, 3))
        scale = keras.src.applications.convnext.LayerScale(0.5, 3, name="scale")
        return keras.Model(inputs, keras.src.applications.convnext.LayerScale(0.5, 3, name="other")(scale(inputs)))

    first, second = scaled(), scaled()
    assert first.weights[0].path != second.weights[0].path
    assert [name for name, _ in named_weights(first.layers)] == [name for name, _ in named_weights(second.layers)] == [
        "scale/variable", "other/variable"]


@pytest.mark.parametrize("of, expected, message", [
    ("ResNet50", "VGG16", "parameters of ResNet50: use --backbone ResNet50"),
    ("MobileNet", "MobileNetV2", "parameters of MobileNet: use --backbone MobileNet"),
    ("VGG16", "VGG16", "It is no VGG16; give the backbone it is of with --backbone NAME")])
def test_weights_of_another_backbone_are_recognised_by_their_number(of, expected, message):
    source = without_values(lambda: getattr(keras.applications, of)(weights=None, include_top=False,
                                                                    input_shape=(SIZE, SIZE, 3)))
    assert message in advice([weight.shape for weight in source.weights], expected)
