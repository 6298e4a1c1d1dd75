"""ImageNet weights, from Keras's own cache or download."""

import contextlib
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from tfpt.config.image_classification import ImageModelConfig
from tfpt.errors import WeightsError
from tfpt.models.backbone import backbone_layers
from tfpt.models.families import family_of
from tfpt.models.weight_arrays import fill_backbone, named_weights
from tfpt.models.weight_files import short

SILENCE_SECONDS = 30.0


def fill_from_imagenet(model: keras.Model, config: ImageModelConfig, image_size: int) -> None:
    """Copy ImageNet weights into the model's backbone, those trained at the size nearest to ``image_size``.

    Raises WeightsError, with the alternatives, if they are neither in Keras's cache nor to be downloaded.
    """
    row = family_of(config.backbone)
    size = row.imagenet_size(image_size)
    width = {"alpha": config.alpha} if row.takes_alpha else {}
    builder = getattr(keras.applications, row.name)
    try:
        with _patient_but_not_for_ever(), contextlib.redirect_stdout(sys.stderr):
            source = builder(weights="imagenet", include_top=False, input_shape=(size, size, 3), **width)
    except Exception as error:  # urllib, sockets, h5py and Keras all raise their own
        raise WeightsError(_unavailable(row.name, error)) from error
    fill_backbone(model, _renamed_in_order(source, model), config, f"keras.applications.{row.name}")


def _renamed_in_order(source: keras.Model, model: keras.Model) -> dict[str, np.ndarray]:
    """The source's weights under the names of the model's layers; in order, as some families number their names."""
    values = [weight.numpy() for _, weight in named_weights(source.layers)]
    names = [name for name, _ in named_weights(backbone_layers(model))]
    return dict(zip(names, values, strict=True))


@contextlib.contextmanager
def _patient_but_not_for_ever() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _unavailable(name: str, error: Exception) -> str:
    cache = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "models"
    download = re.search(r"URL fetch failure on \S+?([\w.-]+\.h5): (?:None -- )?(.*)", str(error))
    if download:
        reason, remedy = f"the download failed, {download[2]}", f"put {download[1]} into {cache}"
    else:
        reason, remedy = short(error), f"delete the file in {cache}, where it may be damaged"
    return (f"ImageNet weights of {name} can't be had here: {reason}. Use --weights bundled (MobileNetV2 with "
            f"--alpha 0.35, trained at 96 pixels), --weights none, or --weights FILE (.keras or .weights.h5); or "
            f"{remedy}.")
