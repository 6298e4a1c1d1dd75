"""Small models that the tests of this folder share; built once, as building takes a second."""

import keras
import numpy as np
import pytest

from tfpt.config.image_classification import HeadConfig, ImageModelConfig
from tfpt.models.classifier import build_classifier

SIZE, CLASSES = 32, 3
CONFIG = ImageModelConfig(alpha=0.35)


def small_classifier(seed: int, alpha: float = 0.35, head: HeadConfig = HeadConfig(units=(4,))) -> keras.Model:
    """A classifier for 32×32 pixels whose weights are all away from what a fresh model starts with."""
    keras.utils.set_random_seed(seed)
    model = build_classifier(ImageModelConfig(alpha=alpha, head=head), SIZE, CLASSES)
    for weight in model.weights:
        weight.assign(weight + keras.random.uniform(weight.shape, 0.01, 0.1))
    return model


@pytest.fixture(scope="session")
def trained() -> keras.Model:
    """Stands for a trained classifier; tests only read it."""
    return small_classifier(seed=1)


@pytest.fixture(scope="session")
def fresh_model() -> tuple[keras.Model, list[np.ndarray]]:
    model = small_classifier(seed=2)
    return model, model.get_weights()


@pytest.fixture
def fresh(fresh_model) -> keras.Model:
    """A model to load weights into: one for all tests, its weights set back before each."""
    model, weights = fresh_model
    model.set_weights(weights)
    return model
