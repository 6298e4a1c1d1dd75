"""Weights as a mapping from ``"layer/weight"`` to an array: taken out of one model, checked, put into another."""

import functools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import keras
import numpy as np

from tfpt.config.image_classification import ImageModelConfig
from tfpt.errors import WeightsError
from tfpt.models.backbone import backbone_layers, build_backbone, pixel_input
from tfpt.models.families import FAMILIES, family_of

Arrays = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


def named_weights(layers: Iterable[keras.layers.Layer]) -> Iterator[tuple[str, keras.Variable]]:
    """Each weight of ``layers`` as (``"layer/weight"``, variable), nested models opened.

    Layers and weights that Keras named by itself are numbered from 0: it goes on counting over all of a process.
    """
    opened = [layer for layer in _opened(layers) if layer.weights]
    numbers: dict[str, set[int]] = defaultdict(set)
    for kind, number in map(_kind_and_number, opened):
        numbers[kind].add(number)
    for layer in opened:
        kind, number = _kind_and_number(layer)
        place = sorted(numbers[kind]).index(number)
        name = layer.name if number < 0 else f"{kind}_{place}" if place else kind
        unnamed = 0
        for weight in layer.weights:
            own = weight.path.split(layer.name + "/", 1)[-1]
            if re.fullmatch(r"variable(_\d+)?", own):
                own, unnamed = f"variable_{unnamed}" if unnamed else "variable", unnamed + 1
            yield f"{name}/{own}", weight


def _opened(layers: Iterable[keras.layers.Layer]) -> Iterator[keras.layers.Layer]:
    for layer in layers:
        if isinstance(layer, keras.Model):
            yield from _opened(layer.layers)
        else:
            yield layer


def _kind_and_number(layer: keras.layers.Layer) -> tuple[str, int]:
    """``conv2d_7`` taken apart, and ``conv2d``, which has number 0; -1 where the name isn't Keras's own."""
    kind, _, number = layer.name.rpartition("_")
    if not number.isdecimal():
        kind, number = layer.name, "0"
    own = kind.replace("_", "") == type(layer).__name__.lower()
    return (kind, int(number)) if own else (layer.name, -1)


def arrays_of(layers: Iterable[keras.layers.Layer]) -> dict[str, np.ndarray]:
    """The values of all weights of ``layers``, float32, by ``"layer/weight"``."""
    return {name: weight.numpy() for name, weight in named_weights(layers)}


def fill_backbone(model: keras.Model, arrays: Arrays, config: ImageModelConfig, where: str) -> None:
    """Set every weight of the model's backbone from ``arrays``; nothing is set if anything is missing or misfits.

    ``where`` says in the error what the arrays come from. Raises WeightsError: a weight is missing, has another
    shape, or isn't finite.
    """
    targets = dict(named_weights(backbone_layers(model)))
    check_fit({name: tuple(weight.shape) for name, weight in targets.items()},
              {name: value.shape for name, value in arrays.items()}, config, where)
    for name in targets:
        if not np.isfinite(arrays[name]).all():
            raise WeightsError(f"{where} holds values that aren't finite in {name}: the model it is from diverged, or "
                               "the file is damaged. Take other weights with --weights.")
    for name, weight in targets.items():
        weight.assign(arrays[name].astype(np.float32))


def check_fit(expected: Shapes, found: Shapes, config: ImageModelConfig, where: str) -> None:
    """WeightsError unless ``found`` has every weight of ``expected`` in its shape; says which flag would mend it."""
    missing = [name for name in expected if name not in found]
    misfits = [name for name in expected if name in found and found[name] != expected[name]]
    if not missing and not misfits:
        return
    if misfits:
        name = misfits[0]
        problem = f"{name} as {expected[name]}, but {where} has it as {found[name]}"
    else:
        problem = f"{missing[0]}, but {where} lacks it ({len(missing)} of {len(expected)} weights are missing there)"
    raise WeightsError(f"The model, {title(config)}, expects {problem}. {advice(found.values(), config.backbone)}")


def title(config: ImageModelConfig) -> str:
    """The backbone in words: "MobileNetV2 with alpha 0.35"."""
    return config.backbone + ("" if config.alpha is None else f" with alpha {config.alpha:g}")


def advice(shapes: Iterable[tuple[int, ...]], family: str) -> str:
    """What to change so that weights of these shapes fit, as a sentence: the backbone or alpha they are of, if known.
    """
    shapes = list(shapes)
    alpha = alpha_that_fits(family, shapes)
    if alpha is not None:
        return f"It is {family} with alpha {alpha:g}: use --alpha {alpha:g}."
    parameters = sum(math.prod(shape) for shape in shapes)
    for other in FAMILIES.values():
        if other.name != family and other.parameters == parameters:
            return f"It has the parameters of {other.name}: use --backbone {other.name}."
    usual = " of any usual alpha" if family_of(family).takes_alpha else ""
    return f"It is no {family}{usual}; give the backbone it is of with --backbone NAME."


def alpha_that_fits(family: str, shapes: Iterable[tuple[int, ...]]) -> float | None:
    """The usual alpha at which the family's convolution kernels have just these shapes, or None."""
    found = _kernels(shapes)
    return next((alpha for alpha, kernels in _kernels_by_alpha(family).items() if kernels == found), None)


@functools.cache
def _kernels_by_alpha(family: str) -> dict[float, Counter[tuple[int, ...]]]:
    row = family_of(family)
    kernels = {}
    for alpha in row.imagenet_alphas:
        pixels = pixel_input(row.minimum_size)
        candidate = keras.Model(pixels, build_backbone(pixels, family, alpha))
        kernels[alpha] = _kernels(weight.shape for weight in candidate.weights)
    return kernels


def _kernels(shapes: Iterable[tuple[int, ...]]) -> Counter[tuple[int, ...]]:
    return Counter(tuple(shape) for shape in shapes if len(shape) == 4)
