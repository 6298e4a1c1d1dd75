"""Honest models of every kind pass; tests/faults/test_hostile_files.py has what doesn't."""

import json

import keras
import pytest

import tfpt.training.schedules
from tests.backbones import OF_EACH_KIND, every, small_size, without_values
from tfpt.models.keras_config import check_config

LAYER = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "dense", "units": 3}}


def config_of(model: keras.Model) -> dict:
    return json.loads(model.to_json())


def text_model() -> keras.Model:
    tokens = keras.Input((6,), dtype="int32")
    x = keras.layers.Embedding(10, 4, mask_zero=True, embeddings_regularizer="l2")(tokens)
    x = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True, kernel_constraint="max_norm"))(x)
    x = keras.layers.MultiHeadAttention(2, 3)(x, x)
    x = keras.layers.TimeDistributed(keras.layers.Dense(2, activation=keras.activations.gelu))(x)
    return keras.Model(tokens, keras.ops.mean(x * 2 + 1, axis=1))


def lookup_model() -> keras.Model:
    words = keras.Input((), dtype="string")
    tokens = keras.layers.TextVectorization(10, output_sequence_length=3, vocabulary=["a", "b"])(words)
    return keras.Model(words, tokens)


def mixed_model() -> keras.Model:
    policy = keras.DTypePolicy("mixed_bfloat16")
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.RandomFlip(), keras.layers.Rescaling(1 / 255),
                             keras.Sequential([keras.layers.Conv2D(2, 3, kernel_initializer="he_normal",
                                                                   dtype=policy)]),
                             keras.layers.Activation(keras.activations.gelu)])


@pytest.mark.parametrize("make", [text_model, lookup_model, mixed_model])
def test_models_of_keras_pass(make):
    check_config(config_of(make()))


@pytest.mark.parametrize("family", every(*OF_EACH_KIND))
def test_backbones_pass_and_safe_mode_makes_them(family):
    def check() -> None:
        size = small_size(family)
        model = getattr(keras.applications, family)(weights=None, include_top=False, input_shape=(size, size, 3))
        check_config(config_of(model))
        again = keras.saving.deserialize_keras_object(config_of(model), safe_mode=True)
        assert again.count_params() == model.count_params() and len(again.operations) == len(model.operations)

    without_values(check)


def test_compiled_models_pass():
    model = mixed_model()
    rate = tfpt.training.schedules.WarmUp(keras.optimizers.schedules.CosineDecay(0.1, 10), 2)
    model.compile(keras.optimizers.AdamW(rate), keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
                  metrics=["accuracy", keras.metrics.AUC()])
    check_config(json.loads(json.dumps(keras.saving.serialize_keras_object(model))))


def test_classes_that_this_process_has_registered_pass(monkeypatch):
    found = {**LAYER, "module": "mine", "class_name": "Own", "registered_name": "mine>Own"}
    with pytest.raises(ValueError, match="'mine.Own', which isn't a part of models"):
        check_config(found)
    with keras.saving.custom_object_scope({"mine>Own": type("Own", (keras.layers.Dense,), {})}):
        check_config.__globals__["_check_class"].cache_clear()
        check_config(found)
    check_config.__globals__["_check_class"].cache_clear()


def test_the_old_form_without_modules_passes():
    check_config({**LAYER, "config": {"kernel_initializer": {"class_name": "GlorotUniform", "config": {}}}})


@pytest.mark.parametrize("change, reason", [
    ({"class_name": "Lambda"}, "a Lambda, which holds code"),
    ({"module": "keras.src.layers.core.lambda_layer", "class_name": "Lambda"}, "a Lambda"),
    ({"module": "keras.utils", "class_name": "PyDataset"}, "'keras.utils.PyDataset', which isn't a part"),
    ({"module": "keras.callbacks", "class_name": "BackupAndRestore"}, "isn't a part of models"),
    ({"module": "keras.no.such", "class_name": "Dense"}, "isn't a part of models"),
    ({"class_name": "\x1b[31m"}, r"\\x1b\[31m"),
    ({"config": {"name": "a/../../b"}}, "leads out of its folder"),
])
def test_what_is_refused(change, reason):
    with pytest.raises(ValueError, match=reason):
        check_config({"outer": [{**LAYER, **change}]})
