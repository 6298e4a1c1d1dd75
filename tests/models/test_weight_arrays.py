import numpy as np
import pytest

from tests.models.conftest import CONFIG, small_classifier
from tfpt.errors import WeightsError
from tfpt.models.backbone import backbone_layers, extract_backbone
from tfpt.models.weight_arrays import alpha_that_fits, arrays_of, fill_backbone


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
