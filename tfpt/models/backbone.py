"""Backbones from keras.applications, built into one flat functional graph with the pixel scaling."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras

from tfpt.models.families import FAMILIES, Family, check_alpha, check_image_size, family_of

__all__ = ["FAMILIES", "Family", "backbone_layers", "build_backbone", "check_image_size", "extract_backbone"]

PIXELS = "pixels"
PIXEL_SCALING = "pixel_scaling"
HEAD_PREFIX = "head_"


def pixel_input(image_size: int) -> keras.KerasTensor:
    """The model's input: float32 pixels ``[batch, image_size, image_size, 3]``, values 0–255, RGB."""
    return keras.Input((image_size, image_size, 3), name=PIXELS)


def scale_pixels(pixels: keras.KerasTensor, family: Family) -> keras.KerasTensor:
    """The levels of a ``pixel_input`` as the family's ImageNet weights were trained on."""
    scaling = family.scaling
    channels = keras.ops.flip(pixels, axis=-1) if scaling.bgr else pixels
    return keras.layers.Rescaling(scaling.scale, scaling.offset, name=PIXEL_SCALING)(channels)


def build_backbone(pixels: keras.KerasTensor, name: str, alpha: float | None) -> keras.KerasTensor:
    """Put a backbone with random weights on ``pixels``, a ``pixel_input``.

    Returns its features ``[batch, height, width, channels]``. The layers join the graph of ``pixels`` directly, not
    as a nested model, so that the classifier can be cut at any of them. Their names are the same however many models
    the process has made. Raises ConfigError for an unknown backbone, an alpha that it can't take, or too small an
    image.
    """
    family = family_of(name)
    check_alpha(name, alpha)
    check_image_size(name, pixels.shape[1])
    drawn = random.getstate()  # Keras takes the seeds of initial weights from there, for the pattern as well
    # In a thread, as Keras numbers the names of layers by thread, and remembers by thread what it hasn't made.
    with ThreadPoolExecutor(1) as pool:
        pattern = pool.submit(_pattern, family, pixels.shape[1], alpha, keras.config.dtype_policy()).result()
    random.setstate(drawn)
    return keras.models.clone_model(pattern, input_tensors=pixels, call_function=_call_unless_it_scales).output


def _pattern(family: Family, image_size: int, alpha: float | None, policy: keras.DTypePolicy) -> keras.Model:
    """The whole graph, of layers whose weights have no values."""
    keras.config.set_dtype_policy(policy)
    width = {"alpha": 1.0 if alpha is None else alpha} if family.takes_alpha else {}
    builder = getattr(keras.applications, family.name)
    with keras.StatelessScope(initialize_variables=False):
        pixels = pixel_input(image_size)
        backbone = builder(input_tensor=scale_pixels(pixels, family), include_top=False, weights=None, **width)
        return keras.Model(pixels, backbone.output)


def _call_unless_it_scales(layer: Any, *arguments: Any, **keywords: Any) -> Any:
    """Leaves out the scaling that some families bring, as the table has it for all of them."""
    scales = isinstance(layer, (keras.layers.Rescaling, keras.layers.Normalization))
    return arguments[0] if scales and layer.name != PIXEL_SCALING else layer(*arguments, **keywords)


def backbone_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The backbone's layers from input to output: what ``--unfreeze N`` counts. No input, scaling or head."""
    return [layer for layer in model.layers
            if not isinstance(layer, keras.layers.InputLayer)
            and layer.name != PIXEL_SCALING and not layer.name.startswith(HEAD_PREFIX)]


def extract_backbone(model: keras.Model) -> keras.Model:
    """The model from pixels to the last backbone layer's output. Layers and weights are shared with ``model``."""
    return keras.Model(model.inputs[0], backbone_layers(model)[-1].output, name="backbone")
