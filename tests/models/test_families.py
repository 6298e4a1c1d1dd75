import subprocess
import sys

import pytest

from tfpt.errors import ConfigError
from tfpt.models.families import FAMILIES, check_alpha, check_image_size, family_of


def test_unknown_backbone_offers_the_nearest_name():
    with pytest.raises(ConfigError, match="Did you mean MobileNetV2"):
        family_of("mobilnetv2")


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
