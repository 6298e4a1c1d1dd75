import pytest

from tests.fake_imagenet import write_fake_imagenet
from tests.models.conftest import CONFIG, SIZE
from tfpt.errors import WeightsError
from tfpt.models.backbone import extract_backbone
from tfpt.models.imagenet import fill_from_imagenet


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """Keras's cache folder: Keras reads KERAS_HOME only when it is imported."""
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


def test_weights_of_the_nearest_size_are_copied_exactly(keras_home, fresh):
    source = write_fake_imagenet(keras_home, alpha=0.35, size=96)
    fill_from_imagenet(fresh, CONFIG, SIZE)
    for weight, expected in zip(extract_backbone(fresh).weights, source.weights, strict=True):
        assert (weight.numpy() == expected.numpy()).all(), weight.path


def test_a_damaged_file_in_the_cache(keras_home, fresh):
    write_fake_imagenet(keras_home, alpha=0.35, size=96)
    file = next(keras_home.glob("models/*.h5"))
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="delete the file in"):
        fill_from_imagenet(fresh, CONFIG, SIZE)


def test_without_network_the_alternatives_are_named(keras_home, fresh, monkeypatch, capsys):
    def no_network(*arguments, **keywords):
        raise Exception("URL fetch failure on https://host/folder/mobilenet_v2_x_no_top.h5: None -- [Errno -2] no host")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", no_network)
    with pytest.raises(WeightsError) as caught:
        fill_from_imagenet(fresh, CONFIG, SIZE)
    message = str(caught.value)
    for expected in ("failed, [Errno -2] no host", "--weights bundled", "--alpha 0.35", "96 pixels", "--weights none",
                     "mobilenet_v2_x_no_top.h5", str(keras_home / "models")):
        assert expected in message
    assert "https://" not in message
    assert capsys.readouterr().out == ""
