"""The backbones in tests: all of them at night, some in CI."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import pytest

from tfpt.models.families import FAMILIES

SMALL = ("MobileNet", "MobileNetV3Small", "EfficientNetB0", "VGG16")
"""Small ones: relu6 and hard swish, squeeze and excitation, stochastic depth, biases, pixels in BGR."""
OF_EACH_KIND = (*SMALL, "EfficientNetV2B0", "EfficientNetV2S", "DenseNet121", "ConvNeXtTiny")
"""All pixel scalings, nested models and layers of Keras's own for one backbone."""


def every(*in_ci: str) -> list[Any]:
    """All backbones as a test's parameters: those ``in_ci`` there, the others at night."""
    return [name if name in in_ci else pytest.param(name, marks=pytest.mark.nightly) for name in FAMILIES]


def without_values(work: Callable[[], Any]) -> Any:
    """What ``work`` gives, in whose models no weight has a value: to make those takes seconds, and gigabytes.

    In a thread, as Keras remembers by thread what it has to make when the next such scope ends.
    """
    def scoped() -> Any:
        with keras.StatelessScope(initialize_variables=False):
            return work()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(scoped).result()


def small_size(name: str) -> int:
    """The side in pixels that a backbone is tested at."""
    return max(FAMILIES[name].minimum_size, 48)


def coarse_pictures(seed: int, count: int, side: int) -> np.ndarray:
    """Float32 ``[count, side, side, 3]`` of 4×4 areas in random colours: noise in each pixel looks all the same."""
    areas = np.random.default_rng(seed).uniform(0, 255, (count, 4, 4, 3))
    length = -(-side // 4)
    return areas.repeat(length, 1).repeat(length, 2)[:, :side, :side].astype(np.float32)


def as_if_trained(model: keras.Model, pixels: np.ndarray) -> keras.Model:
    """Give vectors values as training leaves them, none 0 or 1, and BatchNormalization about the statistics of
    ``pixels``: without these the values of a deep network die off or grow from layer to layer, and roundings with them.
    """
    generator = np.random.default_rng(0)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in model._flatten_layers(include_self=False):
        for weight in layer.weights if not isinstance(layer, keras.Model) else []:
            if weight.path.endswith(("beta", "bias")):
                weight.assign(generator.normal(0, 0.1, weight.shape))
            elif weight.path.endswith("gamma") or type(layer).__name__ == "LayerScale":
                weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(pixels, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        variance = norm.moving_variance.numpy()
        norm.moving_variance.assign(variance + 0.02 * variance.mean())  # some are next to nothing, of so few pictures
    return model
