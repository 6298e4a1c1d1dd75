"""Backbones from keras.applications, built into one flat functional graph with the pixel scaling."""

import keras

from tfpt.models.families import FAMILIES, Family, check_alpha, check_image_size, family_of

__all__ = ["FAMILIES", "Family", "backbone_layers", "build_backbone", "check_image_size", "extract_backbone"]

PIXELS = "pixels"
PIXEL_SCALING = "pixel_scaling"
HEAD_PREFIX = "head_"


def pixel_input(image_size: int) -> keras.KerasTensor:
    """The model's input: float32 pixels ``[batch, image_size, image_size, 3]``, values 0–255, RGB."""
    return keras.Input((image_size, image_size, 3), name=PIXELS)


def build_backbone(pixels: keras.KerasTensor, name: str, alpha: float | None) -> keras.KerasTensor:
    """Put a backbone with random weights on ``pixels``, float32 ``[batch, side, side, 3]``, values 0–255.

    Returns its features ``[batch, height, width, channels]``. The layers join the graph of ``pixels`` directly, not
    as a nested model, so that the classifier can be cut at any of them. Raises ConfigError for an unknown backbone,
    an alpha that it can't take, or too small an image.
    """
    family = family_of(name)
    check_alpha(name, alpha)
    check_image_size(name, pixels.shape[1])
    if family.scale is not None:
        pixels = keras.layers.Rescaling(family.scale, family.offset, name=PIXEL_SCALING)(pixels)
    width = {"alpha": 1.0 if alpha is None else alpha} if family.takes_alpha else {}
    builder = getattr(keras.applications, family.name)
    return builder(input_tensor=pixels, include_top=False, weights=None, **width).output


def backbone_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The backbone's layers from input to output: what ``--unfreeze N`` counts. No input, scaling or head."""
    return [layer for layer in model.layers
            if not isinstance(layer, keras.layers.InputLayer)
            and layer.name != PIXEL_SCALING and not layer.name.startswith(HEAD_PREFIX)]


def extract_backbone(model: keras.Model) -> keras.Model:
    """The model from pixels to the last backbone layer's output. Layers and weights are shared with ``model``."""
    return keras.Model(model.inputs[0], backbone_layers(model)[-1].output, name="backbone")
