"""ImageNet weights, from Keras's own cache or download."""

import contextlib
import re
import socket
import sys
from collections.abc import Iterator

import keras

from tfpt.config.image_classification import ImageModelConfig
from tfpt.errors import WeightsError
from tfpt.models.families import family_of, keras_model_cache
from tfpt.models.weight_arrays import arrays_of, fill_backbone
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
        raise WeightsError(_unavailable(row.name, row.imagenet_file(image_size, config.alpha), error)) from error
    fill_backbone(model, arrays_of(source.layers), config, f"keras.applications.{row.name}")


@contextlib.contextmanager
def _patient_but_not_for_ever() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _unavailable(name: str, file: str, error: Exception) -> str:
    cache = keras_model_cache()
    download = re.search(r"URL fetch failure on \S+: (?:None -- )?(.*)", str(error))
    if download:
        reason, remedy = f"the download failed, {download[1]}", f"put {file} into {cache}"
    else:
        reason, remedy = short(error), f"delete {file} in {cache}, where it may be damaged"
    bundled = "" if name == "MobileNetV2" else "--backbone MobileNetV2 "
    return (f"ImageNet weights of {name} can't be had here: {reason}. Use {bundled}--weights bundled (MobileNetV2 with "
            f"--alpha 0.35, trained at 96 pixels), --weights none, or --weights FILE (.keras or .weights.h5); or "
            f"{remedy}.")
