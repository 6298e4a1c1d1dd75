import json

import keras
import numpy as np
import pytest

from tfpt.errors import RunError
from tfpt.evaluation.inference import load_model
from tfpt.run_directory import Run


def small_model() -> keras.Model:
    pixels = keras.Input((4, 4, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3)(pixels))
    return keras.Model(pixels, keras.layers.Dense(3, "softmax", dtype="float32")(keras.layers.Flatten()(x)))


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"status": "finished"}))
    return Run(tmp_path)


def test_a_model_trained_in_mixed_precision_computes_in_float32(run):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = small_model()
    finally:
        keras.config.set_dtype_policy(before)
    mixed.save(run.model_file)
    plain = small_model()
    plain.set_weights(mixed.get_weights())
    pixels = np.random.default_rng(0).normal(size=(5, 4, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(load_model(run)(pixels), plain(pixels), atol=1e-6)
    assert np.abs(np.asarray(mixed(pixels)) - plain(pixels)).max() > 1e-5


def test_an_unfinished_run_says_how_to_finish_it(run):
    run.manifest_file.write_text(json.dumps({"status": "interrupted"}))
    small_model().save(run.model_file)
    with pytest.raises(RunError, match="status is interrupted.*--resume --run-dir"):
        load_model(run)


def test_a_run_whose_model_is_gone(run):
    with pytest.raises(RunError, match="has no model.keras"):
        load_model(run)


def test_a_model_that_is_not_whole(run):
    small_model().save(run.model_file)
    run.model_file.write_bytes(run.model_file.read_bytes()[:-500])
    with pytest.raises(RunError, match="can't be opened"):
        load_model(run)


def test_code_in_a_model_is_not_run(run):
    x = keras.Input((2,))
    keras.Model(x, keras.layers.Lambda(lambda value: value + 1)(x)).save(run.model_file)
    with pytest.raises(RunError, match="safe mode"):
        load_model(run)
