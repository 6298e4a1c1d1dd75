"""A stand-in for Keras's download cache: random weights under the names of the ImageNet files.

Use it with the environment variable KERAS_HOME, which Keras reads when it is imported; within a process that has
imported Keras, ``monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(keras_home))`` does the same.
"""

from pathlib import Path

import h5py
import keras
from keras.src.legacy.saving import legacy_h5_format


def write_fake_imagenet(keras_home: Path, alpha: float, size: int) -> keras.Model:
    """Write a random MobileNetV2 where Keras looks for its ImageNet weights, and return it."""
    model = keras.applications.MobileNetV2(input_shape=(size, size, 3), alpha=alpha, include_top=False, weights=None)
    for weight in model.weights:
        # BatchNormalization's ones and zeros would hide a layer left out. Kernels are random already, and moving them
        # all up would saturate every ReLU6, so that nothing could be trained behind them.
        if len(weight.shape) == 1:
            weight.assign(weight + keras.random.uniform(weight.shape, 0.01, 0.1))
    folder = keras_home / "models"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{size}_no_top.h5"
    with h5py.File(folder / name, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return model
