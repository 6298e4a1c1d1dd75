"""The backbones of keras.applications, as a table. Imports no TensorFlow."""

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpt.errors import ConfigError

Scaling = float | tuple[float, float, float]


@dataclass(frozen=True)
class PixelScaling:
    """From RGB levels 0–255 to what a backbone was trained on: ``pixels * scale + offset``, by channel.

    ``bgr``: the channels are turned round first, and ``scale`` and ``offset`` are in that order.
    """

    scale: Scaling
    offset: Scaling
    bgr: bool = False

    def record(self) -> dict[str, Any]:
        """As backbone.json has it."""
        return {"channels": "BGR" if self.bgr else "RGB", "scale": self.scale, "offset": self.offset}


def _standardised() -> PixelScaling:
    """Levels over 255, less ImageNet's mean, over its standard deviation."""
    means, deviations = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    red, green, blue = ((1 / (255 * deviation), -mean / deviation) for mean, deviation in zip(means, deviations))
    return PixelScaling((red[0], green[0], blue[0]), (red[1], green[1], blue[1]))


TO_ONE = PixelScaling(1 / 127.5, -1.0)
CENTRED_BGR = PixelScaling(1.0, (-103.939, -116.779, -123.68), bgr=True)
STANDARDISED = _standardised()
"""EfficientNet's too: its ImageNet files hold the deviation in the variance's place, so Keras divides by the root of
the deviation twice (tensorflow#49930).
"""
EFFICIENT_NET_V2 = PixelScaling(1 / 128, -1.0)


@dataclass(frozen=True)
class Family:
    """One backbone: all that building it, finding its weights and choosing it needs.

    ``layers`` counts its own layers without pixel scaling: the most that ``--unfreeze N`` can ask for. ``parameters``
    and ``multiply_accumulates`` (of one image of ``default_size``) are those without a head, at alpha 1.
    ``imagenet_name`` is the file of the ImageNet weights in Keras's cache. ``imagenet_sizes`` are the image sides in
    pixels that there are different ones for; ``imagenet_alphas`` is empty where there is no width multiplier.
    """

    name: str
    scaling: PixelScaling
    layers: int
    parameters: int
    multiply_accumulates: int
    imagenet_name: str
    default_size: int = 224
    minimum_size: int = 32
    imagenet_sizes: tuple[int, ...] = ()
    imagenet_alphas: tuple[float, ...] = ()

    @property
    def takes_alpha(self) -> bool:
        """Whether the family has a width multiplier."""
        return bool(self.imagenet_alphas)

    def imagenet_size(self, image_size: int) -> int:
        """The side in pixels, nearest to ``image_size``, that ImageNet weights exist for; ties go to the larger."""
        return min(self.imagenet_sizes or (self.default_size,), key=lambda size: (abs(size - image_size), -size))

    def imagenet_file(self, image_size: int, alpha: float | None = None) -> str:
        """The name of the ImageNet weights' file in Keras's cache."""
        width = 1.0 if alpha is None else alpha
        digits = f"{width:g}".replace("0.", "").ljust(2, "0")  # MobileNet's: 1_0, 7_5, 5_0, 2_5
        return self.imagenet_name.format(alpha=width, digits=f"{digits[0]}_{digits[1]}",
                                         size=self.imagenet_size(image_size))


_ORDERED, _NO_TOP = "weights_tf_dim_ordering_tf_kernels", "weights_tf_dim_ordering_tf_kernels_notop.h5"

FAMILIES = {family.name: family for family in (
    Family("MobileNet", TO_ONE, 85, 3_228_864, 567_716_352, "mobilenet_{digits}_{size}_tf_no_top.h5",
           imagenet_sizes=(128, 160, 192, 224), imagenet_alphas=(0.25, 0.5, 0.75, 1.0)),
    Family("MobileNetV2", TO_ONE, 153, 2_257_984, 299_494_272, f"mobilenet_v2_{_ORDERED}_{{alpha}}_{{size}}_no_top.h5",
           imagenet_sizes=(96, 128, 160, 192, 224), imagenet_alphas=(0.35, 0.5, 0.75, 1.0, 1.3, 1.4)),
    Family("MobileNetV3Small", TO_ONE, 155, 939_120, 54_896_576,
           "weights_mobilenet_v3_small_{size}_{alpha}_float_no_top_v2.h5", imagenet_alphas=(0.75, 1.0)),
    Family("MobileNetV3Large", TO_ONE, 185, 2_996_352, 214_080_960,
           "weights_mobilenet_v3_large_{size}_{alpha}_float_no_top_v2.h5", imagenet_alphas=(0.75, 1.0)),
    Family("EfficientNetB0", STANDARDISED, 234, 4_049_564, 384_534_752, "efficientnetb0_notop.h5"),
    Family("EfficientNetB1", STANDARDISED, 336, 6_575_232, 685_522_832, "efficientnetb1_notop.h5", 240),
    Family("EfficientNetB2", STANDARDISED, 336, 7_768_562, 992_153_872, "efficientnetb2_notop.h5", 260),
    Family("EfficientNetB3", STANDARDISED, 381, 10_783_528, 1_825_605_392, "efficientnetb3_notop.h5", 300),
    Family("EfficientNetB4", STANDARDISED, 471, 17_673_816, 4_391_979_024, "efficientnetb4_notop.h5", 380),
    Family("EfficientNetB5", STANDARDISED, 573, 28_513_520, 10_264_336_752, "efficientnetb5_notop.h5", 456),
    Family("EfficientNetB6", STANDARDISED, 663, 40_960_136, 19_065_289_536, "efficientnetb6_notop.h5", 528),
    Family("EfficientNetB7", STANDARDISED, 810, 64_097_680, 37_743_324_192, "efficientnetb7_notop.h5", 600),
    Family("EfficientNetV2B0", STANDARDISED, 267, 5_919_312, 716_806_176, "efficientnetv2-b0_notop.h5"),
    Family("EfficientNetV2B1", STANDARDISED, 331, 6_931_124, 1_195_539_360, "efficientnetv2-b1_notop.h5", 240),
    Family("EfficientNetV2B2", STANDARDISED, 346, 8_769_374, 1_696_134_832, "efficientnetv2-b2_notop.h5", 260),
    Family("EfficientNetV2B3", STANDARDISED, 406, 12_930_622, 3_009_922_816, "efficientnetv2-b3_notop.h5", 300),
    Family("EfficientNetV2S", EFFICIENT_NET_V2, 511, 20_331_360, 8_364_337_152, "efficientnetv2-s_notop.h5", 384),
    Family("EfficientNetV2M", EFFICIENT_NET_V2, 738, 53_150_388, 24_581_180_384, "efficientnetv2-m_notop.h5", 480),
    Family("EfficientNetV2L", EFFICIENT_NET_V2, 1026, 117_746_848, 56_078_419_008, "efficientnetv2-l_notop.h5", 480),
    Family("ResNet50", CENTRED_BGR, 174, 23_587_712, 3_855_925_248, f"resnet50_{_NO_TOP}"),
    Family("ResNet101", CENTRED_BGR, 344, 42_658_176, 7_568_146_432, f"resnet101_{_NO_TOP}"),
    Family("ResNet152", CENTRED_BGR, 514, 58_370_944, 11_280_367_616, f"resnet152_{_NO_TOP}"),
    Family("ResNet50V2", TO_ONE, 189, 23_564_800, 3_480_207_360, f"resnet50v2_{_NO_TOP}"),
    Family("ResNet101V2", TO_ONE, 376, 42_626_560, 7_192_428_544, f"resnet101v2_{_NO_TOP}"),
    Family("ResNet152V2", TO_ONE, 563, 58_331_648, 10_904_649_728, f"resnet152v2_{_NO_TOP}"),
    Family("VGG16", CENTRED_BGR, 18, 14_714_688, 15_346_630_656, f"vgg16_{_NO_TOP}"),
    Family("VGG19", CENTRED_BGR, 21, 20_024_384, 19_508_428_800, f"vgg19_{_NO_TOP}"),
    Family("Xception", TO_ONE, 131, 20_861_480, 8_355_355_496, f"xception_{_NO_TOP}", 299, 71),
    Family("InceptionV3", TO_ONE, 310, 21_802_784, 5_711_168_096, f"inception_v3_{_NO_TOP}", 299, 75),
    Family("InceptionResNetV2", TO_ONE, 779, 54_336_736, 13_154_258_016, f"inception_resnet_v2_{_NO_TOP}", 299, 75),
    Family("DenseNet121", STANDARDISED, 426, 7_037_504, 2_833_137_664, f"densenet121_{_NO_TOP}"),
    Family("DenseNet169", STANDARDISED, 594, 12_642_880, 3_358_179_328, f"densenet169_{_NO_TOP}"),
    Family("DenseNet201", STANDARDISED, 706, 18_321_984, 4_289_445_888, f"densenet201_{_NO_TOP}"),
    Family("NASNetMobile", TO_ONE, 768, 4_269_716, 562_582_816, "nasnet_mobile_no_top.h5"),
    Family("NASNetLarge", TO_ONE, 1038, 84_916_818, 23_779_382_658, "nasnet_large_no_top.h5", 331),
    Family("ConvNeXtTiny", STANDARDISED, 131, 27_820_128, 4_454_763_264, "convnext_tiny_notop.h5"),
    Family("ConvNeXtSmall", STANDARDISED, 257, 49_454_688, 8_682_944_256, "convnext_small_notop.h5"),
    Family("ConvNeXtBase", STANDARDISED, 257, 87_566_464, 15_353_705_472, "convnext_base_notop.h5"),
    Family("ConvNeXtLarge", STANDARDISED, 257, 196_230_336, 34_359_897_600, "convnext_large_notop.h5"),
    Family("ConvNeXtXLarge", STANDARDISED, 257, 348_147_968, 60_918_982_656, "convnext_xlarge_notop.h5"),
)}


def family_of(name: str) -> Family:
    """The table's row for a backbone; ConfigError, with the nearest names, if there is none."""
    if name in FAMILIES:
        return FAMILIES[name]
    likeness = {known: difflib.SequenceMatcher(None, name.lower(), known.lower()).ratio() for known in FAMILIES}
    near = [known for known in sorted(likeness, key=lambda known: -likeness[known])[:3] if likeness[known] > 0.5]
    hint = f" Did you mean {', '.join(near[:-1])}{' or ' if near[:-1] else ''}{near[-1]}?" if near else ""
    raise ConfigError(f"There is no backbone {name!r}.{hint} `tfpt backbones` lists all that model.backbone takes.")


def keras_model_cache() -> Path:
    """The folder in which Keras keeps the weights that it has downloaded."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"], "models")
    home = os.path.expanduser("~")
    return Path(home if os.access(home, os.W_OK) else "/tmp", ".keras", "models")


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
