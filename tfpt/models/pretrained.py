"""Pretrained weights: what a config's nulls mean with them, and filling a model's backbone from them."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfpt.config.image_classification import BUNDLED_DIGITS, ImageDataConfig, ImageModelConfig
from tfpt.errors import WeightsError
from tfpt.models.families import check_alpha, check_image_size, family_of
from tfpt.models.weight_source import find_weights

if TYPE_CHECKING:
    import keras


def resolve_weights(model: ImageModelConfig, data: ImageDataConfig) -> tuple[ImageModelConfig, ImageDataConfig]:
    """Fill every null of ``weights``, ``alpha`` and ``image_size``; imports no TensorFlow.

    Weights are bundled with the bundled digits, else ImageNet's; alpha and size are those that the weights were
    trained at, where that is known, else 1.0 and the family's default. Raises ConfigError (an unknown backbone, an
    alpha or size it can't take, weights that don't exist) and WeightsError (weights of another backbone).
    """
    family = family_of(model.backbone)
    weights = model.weights or ("bundled" if data.path == BUNDLED_DIGITS else "imagenet")
    description = find_weights(weights).description
    if model.weights is None and description.get("backbone", model.backbone) != model.backbone:
        raise WeightsError(f"{data.path} is trained from the bundled weights unless others are named, and these are of "
                           f"{description['backbone']}, not of {model.backbone}. Add --weights imagenet or --weights "
                           "none, or leave out --backbone.")
    _check_description(model, description, weights)
    alpha = model.alpha
    if alpha is None and family.takes_alpha:
        alpha = description.get("alpha") or 1.0
    size = data.image_size or description.get("image_size") or family.default_size
    check_alpha(family.name, alpha, weights)
    check_image_size(family.name, size)
    return (dataclasses.replace(model, weights=weights, alpha=alpha), dataclasses.replace(data, image_size=size))


def _check_description(model: ImageModelConfig, description: Mapping[str, Any], weights: str) -> None:
    """WeightsError if the weights say that they are of another family or alpha than the config asks for."""
    backbone = description.get("backbone", model.backbone)
    if backbone != model.backbone:
        raise WeightsError(f"model.backbone is {model.backbone}, but the weights {weights} are of {backbone}. "
                           f"Use --backbone {backbone}, or other weights.")
    alpha = description.get("alpha")
    if model.alpha is not None and alpha is not None and model.alpha != alpha:
        raise WeightsError(f"model.alpha is {model.alpha:g}, but the weights {weights} are of {backbone} with alpha "
                           f"{alpha:g}. Use --alpha {alpha:g} (or leave it out), or other weights.")


def check_weights(model: ImageModelConfig) -> None:
    """WeightsError if ``model.weights`` (resolved) is a file that isn't safe to open. Before any data is read."""
    from tfpt.models import weight_files

    file = find_weights(model.weights or "none").file
    if file is not None:
        weight_files.check_file(file)


def load_backbone_weights(model: "keras.Model", config: ImageModelConfig, image_size: int) -> None:
    """Fill every weight of the model's backbone from ``config.weights`` (resolved); with "none", leave it as it is.

    Raises WeightsError if they can't be had, aren't safe to open, or don't fit; the model is then unchanged.
    """
    from tfpt.models import imagenet, weight_arrays, weight_files
    from tfpt.models.bundled import bundled_arrays

    if config.weights is None:
        raise ValueError("model.weights is null: call resolve_weights first")
    source = find_weights(config.weights)
    match source.kind:
        case "imagenet":
            imagenet.fill_from_imagenet(model, config, image_size)
        case "bundled":
            weight_arrays.fill_backbone(model, bundled_arrays(), config, "the bundled weights")
        case "keras_file":
            assert source.file
            weight_files.fill_from_keras_file(model, source.file, config)
        case "weights_file":
            assert source.file
            weight_files.fill_from_weights_file(model, source.file, config)


def backbone_description(config: ImageModelConfig, image_size: int, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """backbone.json: what a backbone is, what pixels it wants, and what it was trained on (``class_names``)."""
    family = family_of(config.backbone)
    return {
        "backbone": family.name,
        "alpha": config.alpha,
        "image_size": image_size,
        "preprocessing": family.scaling.record(),
        "layers": family.layers,
        "trained_on": {"class_names": list(metadata["class_names"]), "started_from": config.weights},
    }
