"""The backbone families of keras.applications that tfpt knows, as a table. Imports no TensorFlow."""

import difflib
from dataclasses import dataclass

from tfpt.errors import ConfigError

Scaling = float | tuple[float, float, float]


@dataclass(frozen=True)
class Family:
    """One backbone family: all that building it and finding its weights needs.

    ``scale`` and ``offset`` are the arguments of the ``keras.layers.Rescaling`` in front of it; both None where the
    family scales pixels inside. ``imagenet_alphas`` is empty where the family takes no width multiplier.
    ``imagenet_sizes`` are the image sides in pixels that ImageNet weights were trained at. ``layers`` counts the
    backbone's own layers: the most that ``--unfreeze N`` can ask for.
    """

    name: str
    scale: Scaling | None
    offset: Scaling | None
    minimum_size: int
    default_size: int
    imagenet_sizes: tuple[int, ...]
    layers: int
    imagenet_alphas: tuple[float, ...] = ()

    @property
    def takes_alpha(self) -> bool:
        """Whether the family has a width multiplier."""
        return bool(self.imagenet_alphas)

    def imagenet_size(self, image_size: int) -> int:
        """The side in pixels, nearest to ``image_size``, that ImageNet weights exist for; ties go to the larger."""
        return min(self.imagenet_sizes, key=lambda size: (abs(size - image_size), -size))


FAMILIES = {family.name: family for family in (
    Family("MobileNetV2", scale=1 / 127.5, offset=-1.0, minimum_size=32, default_size=224,
           imagenet_sizes=(96, 128, 160, 192, 224), layers=153, imagenet_alphas=(0.35, 0.5, 0.75, 1.0, 1.3, 1.4)),
)}


def family_of(name: str) -> Family:
    """The table's row for a backbone; ConfigError, with the nearest name, if there is none."""
    if name in FAMILIES:
        return FAMILIES[name]
    by_lower_case = {known.lower(): known for known in FAMILIES}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.5)
    hint = f" Did you mean {by_lower_case[near[0]]}?" if near else ""
    raise ConfigError(f"model.backbone is {name!r}, but tfpt has no such backbone.{hint} "
                      f"It takes {', '.join(sorted(FAMILIES))}.")


def check_image_size(name: str, size: int) -> None:
    """ConfigError if ``size`` pixels a side is below what the backbone can take."""
    minimum = family_of(name).minimum_size
    if size < minimum:
        raise ConfigError(f"{name} takes images of at least {minimum} pixels a side, but data.image_size is {size}. "
                          f"Use --image-size {minimum} or more.")


def check_alpha(name: str, alpha: float | None, weights: str | None = None) -> None:
    """ConfigError if the backbone can't take this width multiplier, or ImageNet weights don't exist for it."""
    family = family_of(name)
    if alpha is None:
        return
    if not family.takes_alpha:
        raise ConfigError(f"{name} has no width multiplier, but model.alpha is {alpha:g}. Leave --alpha out.")
    if weights == "imagenet" and alpha not in family.imagenet_alphas:
        nearest = min(family.imagenet_alphas, key=lambda known: abs(known - alpha))
        raise ConfigError(f"ImageNet weights of {name} exist for alpha {', '.join(map(str, family.imagenet_alphas))}, "
                          f"but model.alpha is {alpha:g}. Use --alpha {nearest}, or --weights none.")
