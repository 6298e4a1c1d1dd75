"""What backbones there are, from the table alone: without TensorFlow."""

import itertools
from collections.abc import Sequence
from typing import Any

from tfpt.models.families import FAMILIES, Family, family_of, keras_model_cache


def backbones_table(names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A dict per backbone: all of them, or those that ``names`` name or are the beginning of, in any case.

    ``parameters`` and ``multiply_accumulates`` (of one image of ``image_size``) are without a head, at alpha 1;
    ``layers`` is the most that ``--unfreeze`` takes. ``imagenet`` says for which image sizes and alphas there are
    weights, in which folder Keras keeps them, and which of the ``files`` are there. Raises ConfigError: a name that
    is none.
    """
    chosen = [family for name in names for family in _named(name)] if names else FAMILIES.values()
    return [_row(family) for family in dict.fromkeys(chosen)]


def _named(name: str) -> list[Family]:
    """The backbone of that name, else those whose name begins so."""
    own = {family.name.lower(): family for family in FAMILIES.values()}
    beginning = [family for known, family in own.items() if name and known.startswith(name.lower())]
    return [own[name.lower()]] if name.lower() in own else beginning or [family_of(name)]


def _row(family: Family) -> dict[str, Any]:
    folder = keras_model_cache()
    sizes, alphas = family.imagenet_sizes or (family.default_size,), family.imagenet_alphas
    files = [family.imagenet_file(size, alpha) for alpha, size in itertools.product(alphas or (None,), sizes)]
    return {
        "backbone": family.name, "parameters": family.parameters, "multiply_accumulates": family.multiply_accumulates,
        "image_size": family.default_size, "minimum_image_size": family.minimum_size, "layers": family.layers,
        "preprocessing": family.scaling.record(),
        "imagenet": {"image_sizes": list(sizes), "alphas": list(alphas), "folder": str(folder),
                     "files": {file: (folder / file).is_file() for file in files}}}
