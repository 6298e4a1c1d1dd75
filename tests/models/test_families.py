import subprocess
import sys

import pytest

from tfpt.errors import ConfigError
from tfpt.models.families import FAMILIES, check_alpha, check_image_size, family_of


@pytest.mark.parametrize("asked, offered", [
    ("mobilnetv2", "Did you mean MobileNetV2, "), ("effnetb3", "Did you mean EfficientNetB3, "),
    ("resnet-50", "Did you mean ResNet50, "), ("convnext", "Did you mean ConvNeXtTiny, "),
    ("zzzzz", "'zzzzz'. `tfpt backbones` lists all")])
def test_unknown_backbone_offers_the_nearest_names(asked, offered):
    with pytest.raises(ConfigError, match=offered):
        family_of(asked)


PUBLISHED = {  # multiply-accumulates, with a head
    "MobileNet": 569e6, "InceptionV3": 5.72e9, "Xception": 8.38e9, "InceptionResNetV2": 13.2e9,
    "NASNetMobile": 564e6, "NASNetLarge": 23.8e9,  # Zoph et al. 2018, tables 2 and 3
    "MobileNetV2": 300e6,  # Sandler et al. 2018, table 4
    "ResNet50": 3.8e9, "ResNet101": 7.6e9, "ResNet152": 11.3e9, "VGG19": 19.6e9,  # He et al. 2016, table 1 and text
    "EfficientNetB0": 0.39e9, "EfficientNetB7": 37e9,  # Tan & Le 2019, table 2
    "ConvNeXtTiny": 4.5e9, "ConvNeXtSmall": 8.7e9, "ConvNeXtBase": 15.4e9, "ConvNeXtLarge": 34.4e9,
    "ConvNeXtXLarge": 60.9e9}  # Liu et al. 2022, tables 1 and 9


@pytest.mark.parametrize("name", PUBLISHED)
def test_multiply_accumulates_are_those_of_the_papers(name):
    """To 3 %: the papers round, and count the classification layer."""
    assert FAMILIES[name].multiply_accumulates == pytest.approx(PUBLISHED[name], rel=0.03)


def test_image_size_below_the_minimum():
    check_image_size("MobileNetV2", 32)
    with pytest.raises(ConfigError, match="at least 32 pixels.*31.*--image-size 32"):
        check_image_size("MobileNetV2", 31)


def test_imagenet_weights_exist_for_some_alphas_only():
    check_alpha("MobileNetV2", 0.4)
    with pytest.raises(ConfigError, match="Use --alpha 0.35"):
        check_alpha("MobileNetV2", 0.4, weights="imagenet")


@pytest.mark.parametrize("asked, nearest", [(32, 96), (96, 96), (112, 128), (170, 160), (512, 224)])
def test_nearest_imagenet_size(asked, nearest):
    assert FAMILIES["MobileNetV2"].imagenet_size(asked) == nearest


def test_the_table_and_the_resolver_need_no_tensorflow():
    code = "import sys, tfpt.models.pretrained; assert 'tensorflow' not in sys.modules, 'imported'"
    subprocess.run([sys.executable, "-c", code], check=True)
