"""A stand-in for Keras's download cache: random weights under the names of the ImageNet files.

Use it with the environment variable KERAS_HOME, which Keras reads when it is imported; within a process that has
imported Keras, ``monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(keras_home))`` does the same.
"""

import sys
from pathlib import Path

import h5py
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format

from tests.backbones import as_if_trained, coarse_pictures, small_size
from tfpt.models.families import FAMILIES


def write_fake_imagenet(keras_home: Path, alpha: float | None, size: int, name: str = "MobileNetV2") -> keras.Model:
    """Write a random backbone where Keras looks for the ImageNet weights of that image size, and return it."""
    family, side = FAMILIES[name], small_size(name)
    width = {"alpha": alpha} if family.takes_alpha else {}
    builder = getattr(keras.applications, name)
    model = builder(input_shape=(side, side, 3), include_top=False, weights=None, **width)
    pixels = sys.modules[builder.__module__].preprocess_input(coarse_pictures(0, 32, side))
    own_scaling = [layer for layer in model.layers if isinstance(layer, keras.layers.Normalization) and layer.weights]
    # A fresh model's ones and zeros would hide a layer left out. EfficientNet's files hold the deviation in the
    # variance's place (tensorflow#49930), and Keras divides by its root once more where it loads them.
    _set_statistics(own_scaling, power=2)
    as_if_trained(model, pixels)
    _set_statistics(own_scaling, power=1)
    folder = keras_home / "models"
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / family.imagenet_file(size, alpha), "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return model


def _set_statistics(own_scaling: list[keras.layers.Normalization], power: int) -> None:
    for layer in own_scaling:
        layer.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])**power, np.array(0)])
        layer.finalize_state()
