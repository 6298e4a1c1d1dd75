import pytest

from tfpt.errors import ConfigError
from tfpt.models.families import FAMILIES
from tfpt.workflows.backbones import backbones_table


def names(*asked):
    return [row["backbone"] for row in backbones_table(asked)]


def test_all_of_them_once_in_the_order_of_the_table():
    assert names() == list(FAMILIES) and len(names()) == 40


@pytest.mark.parametrize("asked, found", [
    (["resnet50"], ["ResNet50"]), (["VGG"], ["VGG16", "VGG19"]), (["vgg19", "vgg", "NASNetM"], [
        "VGG19", "VGG16", "NASNetMobile"]), (["MobileNetV3"], ["MobileNetV3Small", "MobileNetV3Large"])])
def test_a_name_or_the_beginning_of_names(asked, found):
    assert names(*asked) == found


@pytest.mark.parametrize("asked", ["", "resnet51", "50"])
def test_a_name_that_is_none(asked):
    with pytest.raises(ConfigError, match="no backbone"):
        names("VGG16", asked)


def test_a_row_says_all_that_a_choice_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mobilenet_7_5_160_tf_no_top.h5").touch()
    row, = backbones_table(["MobileNet"])
    files = row["imagenet"].pop("files")
    assert len(files) == 16 and [file for file, here in files.items() if here] == ["mobilenet_7_5_160_tf_no_top.h5"]
    assert row == {
        "backbone": "MobileNet", "parameters": 3_228_864, "multiply_accumulates": 567_716_352, "image_size": 224,
        "minimum_image_size": 32, "layers": 85,
        "preprocessing": {"channels": "RGB", "scale": 1 / 127.5, "offset": -1.0},
        "imagenet": {"image_sizes": [128, 160, 192, 224], "alphas": [0.25, 0.5, 0.75, 1.0],
                     "folder": str(tmp_path / "models")}}
