import h5py
import keras
import pytest
from keras.src.legacy.saving import legacy_h5_format

from tests.models.conftest import CONFIG, SIZE
from tfpt.errors import WeightsError
from tfpt.models.backbone import extract_backbone
from tfpt.models.weight_files import fill_from_keras_file, fill_from_weights_file


def test_a_nested_model_is_opened(tmp_path, trained, fresh):
    pixels = keras.Input((SIZE, SIZE, 3))
    nested = keras.Model(pixels, keras.layers.Flatten()(extract_backbone(trained)(pixels)))
    nested.save(tmp_path / "nested.keras")
    fill_from_keras_file(fresh, tmp_path / "nested.keras", CONFIG)
    for weight, expected in zip(extract_backbone(fresh).weights, extract_backbone(trained).weights, strict=True):
        assert (weight.numpy() == expected.numpy()).all()


def test_lambdas_are_refused(tmp_path, fresh):
    x = keras.Input((2,))
    keras.Model(x, keras.layers.Lambda(lambda value: value + 1)(x)).save(tmp_path / "code.keras")
    with pytest.raises(WeightsError, match="safe mode"):
        fill_from_keras_file(fresh, tmp_path / "code.keras", CONFIG)


def test_a_keras_file_that_is_none(tmp_path, fresh):
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(WeightsError, match="isn't a Keras 3 file"):
        fill_from_keras_file(fresh, tmp_path / "text.keras", CONFIG)


def test_a_model_without_the_layers(tmp_path, fresh):
    x = keras.Input((2,))
    keras.Model(x, keras.layers.Dense(2)(x)).save(tmp_path / "other.keras")
    with pytest.raises(WeightsError, match="Conv1/kernel, but .*other.keras lacks it .*--backbone NAME"):
        fill_from_keras_file(fresh, tmp_path / "other.keras", CONFIG)


def test_weights_of_plain_keras_and_of_a_whole_classifier_fit(tmp_path, trained, fresh):
    plain = keras.applications.MobileNetV2(input_shape=(SIZE, SIZE, 3), alpha=0.35, include_top=False, weights=None)
    plain.save_weights(tmp_path / "plain.weights.h5")
    trained.save_weights(tmp_path / "classifier.weights.h5")
    for name, source in {"plain": plain, "classifier": extract_backbone(trained)}.items():
        fill_from_weights_file(fresh, tmp_path / f"{name}.weights.h5", CONFIG)
        for weight, expected in zip(extract_backbone(fresh).weights, source.weights, strict=True):
            assert (weight.numpy() == expected.numpy()).all()


def test_a_file_that_lacks_a_layer(tmp_path, trained, fresh):
    path = tmp_path / "part.weights.h5"
    extract_backbone(trained).save_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/conv2d_3"]
    with pytest.raises(WeightsError, match="don't fit"):
        fill_from_weights_file(fresh, path, CONFIG)


def test_the_legacy_format_under_the_new_name(tmp_path, trained, fresh):
    with h5py.File(tmp_path / "old.weights.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, extract_backbone(trained))
    with pytest.raises(WeightsError, match="legacy Keras 2"):
        fill_from_weights_file(fresh, tmp_path / "old.weights.h5", CONFIG)


def test_a_damaged_file(tmp_path, fresh):
    (tmp_path / "damaged.weights.h5").write_bytes(b"")
    with pytest.raises(WeightsError, match="can't be read as an HDF5 file"):
        fill_from_weights_file(fresh, tmp_path / "damaged.weights.h5", CONFIG)
