"""Backbone weights from files: ``.keras`` models and Keras's ``.weights.h5``."""

import contextlib
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from tfpt.config.image_classification import ImageModelConfig
from tfpt.errors import WeightsError
from tfpt.models.backbone import extract_backbone
from tfpt.models.hdf5_check import checked_datasets
from tfpt.models.keras_archive import check_keras_file, open_keras_model
from tfpt.models.weight_arrays import advice, arrays_of, fill_backbone, title


def check_file(path: Path) -> None:
    """WeightsError if a ``.keras`` or ``.weights.h5`` isn't what it is called, or not safe to open. Needs no model."""
    if path.name.endswith(".keras"):
        with _refusals_explained(path):
            check_keras_file(path)
    else:
        _stored_shapes(path)


def fill_from_keras_file(model: keras.Model, path: Path, config: ImageModelConfig) -> None:
    """Copy a ``.keras`` model's weights into the model's backbone by layer name. Opened in safe mode only.

    The file may hold a whole classifier, a backbone, or any model with the same layer names. Raises WeightsError.
    """
    with _refusals_explained(path):
        source = open_keras_model(path)
    fill_backbone(model, arrays_of(source.layers), config, str(path))


@contextlib.contextmanager
def _refusals_explained(path: Path) -> Iterator[None]:
    if not zipfile.is_zipfile(path):
        raise WeightsError(f"{path} is called .keras but isn't a Keras 3 file (a zip archive): it is damaged, or an "
                           "older format renamed. Save the model again with model.save('name.keras').")
    try:
        yield
    except Exception as error:  # keras raises nearly every type here
        raise WeightsError(f"{path} can't be opened as a Keras model in safe mode: {short(error)}. Models with Lambda "
                           "layers or custom classes aren't taken; save the backbone alone, with "
                           "backbone.save_weights('name.weights.h5').") from error


def fill_from_weights_file(model: keras.Model, path: Path, config: ImageModelConfig) -> None:
    """Load a ``.weights.h5``, written by ``save_weights`` of a backbone, into the model's backbone. WeightsError."""
    shapes = _stored_shapes(path)
    backbone = keras.models.clone_model(extract_backbone(model))
    for weight in backbone.weights:
        # so that a weight which the file doesn't reach is noticed by fill_backbone, whatever Keras says of it
        weight.assign(np.full(weight.shape, np.nan, np.float32))
    try:
        with warnings.catch_warnings():
            # Keras warns of each private container that a file from a differently built model lacks
            warnings.simplefilter("ignore")
            backbone.load_weights(path)
    except Exception as error:  # ValueError for shapes; KeyError, OSError and others for files of another layout
        raise WeightsError(f"The model expects the weights of {title(config)}, but those in {path} don't fit. "
                           f"{advice(shapes, config.backbone)}") from error
    fill_backbone(model, arrays_of(backbone.layers), config, str(path))


def _stored_shapes(path: Path) -> list[tuple[int, ...]]:
    try:
        with h5py.File(path) as file:
            if "model_config" in file.attrs or "layer_names" in file.attrs:
                raise WeightsError(f"{path} is in the legacy Keras 2 format, which isn't taken. Load it in Keras where "
                                   "it was made, and save it with Keras 3's backbone.save_weights('name.weights.h5').")
            return [dataset.shape for dataset in checked_datasets(file, path.stat().st_size)]
    except ValueError as error:
        raise WeightsError(f"{path} isn't opened, as {short(error)}. Plain weights are taken, as Keras 3's "
                           "backbone.save_weights('name.weights.h5') writes them.") from error
    except (OSError, RuntimeError, KeyError, TypeError) as error:  # h5py's, for damaged files
        raise WeightsError(f"{path} can't be read as an HDF5 file: {short(error)}. It is damaged, or no "
                           ".weights.h5 file; write it again with backbone.save_weights.") from error


def short(error: BaseException, limit: int = 160) -> str:
    """The first line of an error's message, shortened: Keras puts whole tensors into some, and the cause last."""
    message = str(error).rpartition("Exception encountered: ")[2]
    text = next((line.strip() for line in message.splitlines() if line.strip()), type(error).__name__)
    return (text if len(text) <= limit else text[:limit - 1] + "…").rstrip(".")
