import keras
import numpy as np
import pytest

from tests.models.conftest import CLASSES, SIZE
from tfpt.config.image_classification import ImageModelConfig
from tfpt.errors import ConfigError
from tfpt.models.classifier import build_classifier


def test_pixels_in_probabilities_out(trained):
    assert trained.name == "classifier" and trained.inputs[0].dtype == "float32"
    probabilities = np.asarray(trained(np.full((2, SIZE, SIZE, 3), 128, np.float32)))
    assert probabilities.shape == (2, CLASSES)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_the_graph_is_flat_and_named(trained):
    assert not any(isinstance(layer, keras.Model) for layer in trained.layers)
    assert [layer.name for layer in trained.layers[:3]] == ["pixels", "pixel_scaling", "Conv1"]
    assert all(layer.name.startswith("head_") for layer in trained.layers[-4:])


@pytest.mark.parametrize("name, alpha, size, message", [
    ("MobileNetV3", 1.0, 32, "Did you mean MobileNetV2"), ("MobileNetV2", 1.0, 16, "at least 32")])
def test_what_cannot_be_built(name, alpha, size, message):
    with pytest.raises(ConfigError, match=message):
        build_classifier(ImageModelConfig(backbone=name, alpha=alpha), size, 2)
