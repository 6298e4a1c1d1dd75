import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.backbones import SMALL, coarse_pictures, every, small_size, without_values
from tests.fake_imagenet import write_fake_imagenet
from tests.models.conftest import CONFIG, SIZE
from tfpt.config.image_classification import ImageModelConfig
from tfpt.errors import WeightsError
from tfpt.models.backbone import build_backbone, extract_backbone, pixel_input
from tfpt.models.families import FAMILIES
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
    with pytest.raises(WeightsError, match="delete mobilenet_v2_.*_0.35_96_no_top.h5 in"):
        fill_from_imagenet(fresh, CONFIG, SIZE)


def test_without_network_the_alternatives_are_named(keras_home, fresh, monkeypatch, capsys):
    def no_network(*arguments, **keywords):
        raise Exception("URL fetch failure on https://host/folder/another-name.h5: None -- [Errno -2] no host")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", no_network)
    with pytest.raises(WeightsError) as caught:
        fill_from_imagenet(fresh, CONFIG, SIZE)
    message = str(caught.value)
    for expected in ("failed, [Errno -2] no host", "--weights bundled", "--alpha 0.35", "96 pixels", "--weights none",
                     "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5", str(keras_home / "models")):
        assert expected in message
    assert "https://" not in message and "another-name" not in message
    assert capsys.readouterr().out == ""


@pytest.fixture
def any_file(keras_home, monkeypatch):
    """Keras takes the files in its cache whatever their hashes are."""
    monkeypatch.setattr("keras.src.utils.file_utils.get_file",
                        lambda name, *arguments, **keywords: str(keras_home / "models" / name))


@pytest.mark.parametrize("name", every(*SMALL))
def test_every_backbone_then_gives_the_features_that_keras_gives(name, keras_home, any_file):
    """Weights are in their places, and pixels scaled as these weights want them."""
    row = FAMILIES[name]
    side, alpha = row.imagenet_sizes[0] if row.imagenet_sizes else small_size(name), 0.75 if row.takes_alpha else None
    write_fake_imagenet(keras_home, alpha, side, name)
    builder = getattr(keras.applications, name)
    theirs = builder(weights="imagenet", include_top=False, input_shape=(side, side, 3),
                     **({"alpha": alpha} if row.takes_alpha else {}))
    pixels = pixel_input(side)
    ours = keras.Model(pixels, build_backbone(pixels, name, alpha))
    fill_from_imagenet(ours, ImageModelConfig(backbone=name, alpha=alpha, weights="imagenet"), side)
    pictures = coarse_pictures(0, 3, side)
    expected = theirs(sys.modules[builder.__module__].preprocess_input(pictures.copy()), training=False).numpy()
    found = ours(pictures, training=False).numpy()
    assert expected.std(0).max() > 0.01 * np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", every(*SMALL))
def test_the_table_knows_keras_s_names_of_the_files(name, monkeypatch):
    asked = []

    def noted(name, *arguments, **keywords):
        asked.append(name)
        raise FileNotFoundError

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", noted)
    row, builder = FAMILIES[name], getattr(keras.applications, name)
    sizes = {row.imagenet_sizes[0], row.imagenet_sizes[-1]} if row.imagenet_sizes else {row.default_size}
    for size in sizes:
        for alpha in row.imagenet_alphas or (None,):
            width = {} if alpha is None else {"alpha": alpha}
            with pytest.raises(FileNotFoundError):
                without_values(lambda: builder(weights="imagenet", include_top=False, input_shape=(size, size, 3),
                                               **width))
            assert asked.pop() == row.imagenet_file(size, alpha)


def test_the_table_knows_keras_s_folder():
    """Keras settles it when it is imported."""
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_HOME"}
    code = ("import keras; from tfpt.models.families import keras_model_cache; "
            "assert keras.src.backend.config.keras_home() == str(keras_model_cache().parent)")
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
