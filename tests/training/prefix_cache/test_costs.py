"""Costs of cuts: counted, or measured once per machine and kept beside the cache."""

import json

import keras
import numpy as np
import pytest

from tests.training.small_models import residual_model
from tfpt import runtime
from tfpt.training.graph_split import Cut
from tfpt.training.prefix_cache.costs import SAMPLE_SIZE, estimated_seconds, measured_seconds, multiply_accumulates


class Sample:
    """A batch of inputs, counting how often it was asked for: once for every measurement."""

    asked = 0

    def __call__(self):
        self.asked += 1
        return np.zeros((SAMPLE_SIZE, 8, 8, 3), np.float32)


def stops_of(model, *names):
    return [Cut((model.get_layer(name).output,)) for name in names]


STOPS = ("stem", "block_1_add", "head_pool")


@pytest.fixture
def model():
    return residual_model()


def kept_file(folder):
    file, = (folder / "prefix_costs").iterdir()
    return file


def test_multiply_accumulates_count_each_kernel_at_every_position():
    inputs = keras.Input((8, 6, 3))
    x = keras.layers.Conv2D(5, 3, strides=2, padding="same")(inputs)
    y = keras.layers.BatchNormalization()(keras.layers.DepthwiseConv2D(3, padding="same")(x))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([x, y]))
    outputs = keras.layers.Dense(7)(pooled)
    assert multiply_accumulates([inputs], [x]) == 4 * 3 * 9 * 3 * 5
    assert multiply_accumulates([inputs], [pooled]) == 4 * 3 * (9 * 3 * 5 + 9 * 5)
    assert multiply_accumulates([inputs], [outputs]) == 4 * 3 * (9 * 3 * 5 + 9 * 5) + 35
    assert multiply_accumulates([x], [outputs]) == 4 * 3 * 9 * 5 + 35


def test_estimates_grow_towards_the_output(model):
    seconds = estimated_seconds(model, stops_of(model, *STOPS))
    assert len(seconds) == 4 and 0 < seconds[0] < seconds[1] < seconds[2] <= seconds[3]


@pytest.mark.parametrize("fold", [False, True])
def test_measured_costs_grow_and_are_measured_once(model, own_cache, fold):
    sample = Sample()
    seconds = measured_seconds(model, stops_of(model, *STOPS), sample, fold)
    assert len(seconds) == 4 and 0 < seconds[0] < seconds[1] < seconds[2] < seconds[3]
    again = measured_seconds(residual_model(), stops_of(residual_model(), *STOPS)[:0], sample, fold)
    assert len(again) == 1 and sample.asked == 2, "other stops are measured by themselves"
    rebuilt = residual_model()
    assert measured_seconds(rebuilt, stops_of(rebuilt, *STOPS), sample, fold) == seconds and sample.asked == 2


def test_under_other_conditions_they_are_measured_again(model, monkeypatch):
    sample, stops = Sample(), stops_of(model, *STOPS)
    measured_seconds(model, stops, sample, False)
    measured_seconds(model, stops, sample, True)
    assert sample.asked == 2
    elsewhere = {**runtime.environment(), "intra_op_threads": 99}
    monkeypatch.setattr(runtime, "environment", lambda: elsewhere)
    measured_seconds(model, stops, sample, True)
    measured_seconds(model, stops, sample, True)
    assert sample.asked == 3


@pytest.mark.parametrize("damage", ["", "{", "[1]", "{}", '{"conditions": {}, "seconds": [1]}', "null"])
def test_a_damaged_file_is_as_none(model, own_cache, damage):
    sample, stops = Sample(), stops_of(model, *STOPS)
    measured_seconds(model, stops, sample, False)
    kept_file(own_cache).write_text(damage)
    seconds = measured_seconds(model, stops, sample, False)
    assert sample.asked == 2 and json.loads(kept_file(own_cache).read_text())["seconds"] == seconds


@pytest.mark.parametrize("seconds", [[1, "two", 3, 4], [1, 2]], ids=str)
def test_kept_seconds_that_cannot_be_are_measured_again(model, own_cache, seconds):
    sample, stops = Sample(), stops_of(model, *STOPS)
    measured_seconds(model, stops, sample, False)
    kept = json.loads(kept_file(own_cache).read_text())
    kept_file(own_cache).write_text(json.dumps({**kept, "seconds": seconds}))
    assert len(measured_seconds(model, stops, sample, False)) == 4 and sample.asked == 2


def test_a_cache_that_cannot_be_written_is_no_error(model, own_cache):
    own_cache.write_text("a file where the folder should be")
    sample, stops = Sample(), stops_of(model, *STOPS)
    assert len(measured_seconds(model, stops, sample, False)) == 4
    measured_seconds(model, stops, sample, False)
    assert sample.asked == 2


def test_a_branch_of_its_own_is_measured_from_the_inputs():
    inputs = keras.Input((8, 8, 3))
    one, other = keras.layers.Conv2D(2, 3, name="one")(inputs), keras.layers.Conv2D(3, 3, name="other")(inputs)
    model = keras.Model(inputs, keras.layers.Concatenate()([one, other]))
    assert all(second > 0 for second in measured_seconds(model, stops_of(model, "one", "other"), Sample(), False))
