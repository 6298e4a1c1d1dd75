"""Honest files open as Keras opens them; tests/faults/test_hostile_files.py has those that are refused."""

import zipfile

import keras
import numpy as np
import pytest

from tfpt.models.keras_archive import check_keras_file, open_keras_model


@pytest.fixture
def saved(tmp_path):
    words = keras.Input((), dtype="string")
    tokens = keras.layers.TextVectorization(10, output_sequence_length=3, vocabulary=["a", "b"])(words)
    x = keras.layers.Dropout(0.5)(keras.layers.Embedding(10, 4)(tokens))
    model = keras.Model(words, keras.layers.Dense(2)(keras.layers.LSTM(3)(x)))
    model.compile("adam", "mse")
    model.save(tmp_path / "model.keras")
    return model, tmp_path / "model.keras"


def test_weights_and_vocabularies_come_back(saved):
    model, path = saved
    opened = open_keras_model(path)
    texts = keras.ops.convert_to_tensor(["a b", "b c"])
    np.testing.assert_array_equal(opened(texts), model(texts))
    assert not opened.compiled


def test_nothing_is_left_behind_for_models_that_come_later(saved, tmp_path):
    path = saved[1]
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = parts["config.json"].replace(b'"units": 2', b'"units": 200000000')
    with zipfile.ZipFile(tmp_path / "huge.keras", "w") as archive:
        for name, content in {**parts, "config.json": config}.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="asks for weights of 3,200,000"):
        open_keras_model(tmp_path / "huge.keras")
    with keras.StatelessScope():  # at its end Keras makes all weights that were put off
        pass
    assert open_keras_model(path).count_params() == saved[0].count_params()


def test_a_file_that_was_packed_again_opens(saved, tmp_path):
    with zipfile.ZipFile(saved[1]) as archive, zipfile.ZipFile(tmp_path / "again.keras", "w",
                                                               zipfile.ZIP_DEFLATED) as again:
        for name in archive.namelist():
            again.writestr(name, archive.read(name))
        again.writestr("notes/read me.txt", "mine")
    config, stored = check_keras_file(tmp_path / "again.keras")
    assert config["class_name"] == "Functional" and stored >= 4 * saved[0].count_params()
    open_keras_model(tmp_path / "again.keras")
