import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.data.image_files import class_folders
from tests.data.tfds.prepared_sets import pictures, prepare, shard_files
from tfpt.config.image_classification import ImageDataConfig
from tfpt.data.image_pipeline import eval_batches
from tfpt.data.image_splits import image_splits
from tfpt.data.listing import printable
from tfpt.data.pipeline_errors import unreadable_input_told
from tfpt.errors import DataError
from tfpt.evaluation.attribution import ClassScores
from tfpt.evaluation.explanations import explanations
from tfpt.evaluation.predictions import predict_probabilities
from tfpt.task import GRAD_CAM, Question
from tfpt.training.timed_calls import memory_error_explained
from tfpt.workflows.train import train


@pytest.fixture(params=["files", "records"])
def data(request, tmp_path):
    """Settings of data that are read again in each epoch, the file or folder they are in, and how it is called."""
    if request.param == "files":
        class_folders(tmp_path / "photos", {"cats": 20, "dogs": 20})
        return {"path": str(tmp_path / "photos")}, tmp_path / "photos", f"{tmp_path}/photos/"
    file, = shard_files(prepare(tmp_path / "sets", {"train": pictures(40)}, shards=1))
    return {"path": "tfds:shapes", "data_dir": str(tmp_path / "sets")}, file, str(file)


def remove(place) -> None:
    shutil.rmtree(place) if place.is_dir() else place.unlink()


def batches_of(settings):
    splits = image_splits(ImageDataConfig(**settings, image_size=32, memory_mb=0), seed=0)
    return eval_batches(splits.train, image_size=32, batch_size=8)


@pytest.mark.parametrize("in_graph", [False, True])
def test_what_can_not_be_read_any_more_is_named(data, in_graph):
    settings, place, called = data
    batches = batches_of(settings)
    draw = tf.function(lambda iterator: next(iterator)) if in_graph else next
    iterator = iter(batches)
    remove(place)
    with pytest.raises(DataError) as caught, unreadable_input_told():
        for _ in range(9):
            draw(iterator)
    text = str(caught.value)
    assert text.startswith(called) and "\n" not in text
    assert text.endswith(" can't be read: No such file or directory. It could be read when the data were checked.")


def test_a_shard_that_is_cut_is_named(tmp_path):
    file, = shard_files(prepare(tmp_path, {"train": pictures(40)}, shards=1))
    batches = batches_of({"path": "tfds:shapes", "data_dir": str(tmp_path)})
    os.truncate(file, 700)
    with pytest.raises(DataError, match=f"^{file} is damaged or cut off: it ends within record"), \
            unreadable_input_told():
        list(batches)


def test_predictions_tell_it(data):
    settings, place, called = data
    batches = batches_of(settings)
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, keras.layers.Flatten()(inputs))
    remove(place)
    with pytest.raises(DataError, match=f"^{called}.* can't be read"):
        predict_probabilities(model, batches)


def test_explanations_and_the_range_test_tell_it(data):
    settings, place, called = data
    batches = batches_of(settings)
    inputs = keras.Input((32, 32, 3))
    features = keras.layers.Conv2D(4, 8, strides=8)(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(pooled))
    remove(place)
    with pytest.raises(DataError, match=f"^{called}.* can't be read"):
        list(explanations(ClassScores(model, features), batches, Question((GRAD_CAM,))))
    with pytest.raises(DataError, match=f"^{called}.* can't be read"), memory_error_explained("in the range test"):
        list(batches)


class Removes(keras.callbacks.Callback):
    def __init__(self, place):
        super().__init__()
        self.place = place

    def on_epoch_end(self, epoch, logs=None):
        remove(self.place)


@pytest.mark.parametrize("cache", ["off", pytest.param("memory", marks=pytest.mark.nightly)])
def test_training_tells_it(data, tmp_path, cache):
    settings, place, called = data
    data_settings = {f"data.{name}": value for name, value in settings.items()}
    with pytest.raises(DataError, match=f"^{called}.* can't be read: No such file"):
        train("image_classification", run_dir=tmp_path / "run", callbacks=[Removes(place)], settings={
            **data_settings, "data.image_size": 32, "data.memory_mb": 0, "cache.mode": cache, "train.epochs": 2,
            "augment.rotation": 0.1, "model.weights": "none", "model.alpha": 0.35, "freeze.unfreeze": 0})


@pytest.mark.parametrize("error", [tf.errors.InvalidArgumentError(None, None, "shapes; differ"),
                                   tf.errors.ResourceExhaustedError(None, None, "OOM"), ValueError("other")])
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as caught, unreadable_input_told():
        raise error
    assert caught.value is error


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("path", ["a; b {{c}} d.png", "photos/a: b.png", "two\nlines.png", "/nowhere/a.png"])
def test_a_path_may_hold_anything(tmp_path, monkeypatch, path, in_graph):
    monkeypatch.chdir(tmp_path)
    paths = tf.data.Dataset.from_tensor_slices(np.array([os.fsencode(path)], object))
    draw = tf.function(lambda iterator: next(iterator)) if in_graph else next
    for calls in (None, 2):
        with pytest.raises(DataError) as caught, unreadable_input_told():
            draw(iter(paths.map(tf.io.read_file, num_parallel_calls=calls)))
        assert str(caught.value).startswith(f"{printable(path)} can't be read: No such file or directory. It")
