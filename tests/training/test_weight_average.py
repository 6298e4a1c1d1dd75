"""The average of the weights: its formula, what it is at freeze boundaries, and that it is what validation measures."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.small_jobs import CACHED_TASK, CONFIG, small_job, small_splits
from tfpt.config.shared import PhaseConfig
from tfpt.training.loop import Loop
from tfpt.training.weight_average import WeightAverage

AVERAGED = replace(CONFIG, train=replace(CONFIG.train, ema_decay=0.9))


def two_layers():
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(1, name="head")(keras.layers.Dense(3, name="body")(inputs)))


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_the_formula_is_that_of_tensorflows_own(decay):
    model = two_layers()
    average = WeightAverage(model.weights, decay)
    average.begin_phase(model, is_first=True)
    theirs = tf.train.ExponentialMovingAverage(decay, num_updates=tf.Variable(0.0))
    values = [weight.value for weight in model.weights]
    theirs.apply(values)  # begins with the weights
    random = np.random.default_rng(3)

    def step(batch):
        for weight in model.weights:
            weight.assign(weight + tf.random.stateless_normal(weight.shape, batch))
        return {}

    averaged = tf.function(average.after(step, model.weights))
    for number in range(1, 40):
        averaged(tf.constant(random.integers(0, 1000, 2)))
        theirs._num_updates = tf.constant(float(number))
        theirs.apply(values)
    for mine, value in zip(average.of(model), values, strict=True):
        np.testing.assert_allclose(mine, theirs.average(value).numpy(), rtol=1e-5, atol=1e-6)
        assert not np.allclose(mine, value.numpy())


def test_what_does_not_train_is_its_own_average():
    model = two_layers()
    average = WeightAverage(model.weights, 0.9)
    average.begin_phase(model, is_first=True)

    def step(batch):
        for weight in model.weights:
            weight.assign_add(tf.ones(weight.shape))
        return {}

    average.after(step, model.weights)({})
    model.get_layer("body").trainable = False
    before = average.of(model)
    average.begin_phase(model, is_first=False)
    after = average.of(model)
    for place, weight in enumerate(model.weights):
        frozen = place < 2
        assert np.array_equal(after[place], weight.numpy()) == frozen
        assert np.array_equal(before[place], after[place]) != frozen


def test_in_place_and_back_leave_every_bit():
    model = two_layers()
    average = WeightAverage(model.weights, 0.9)
    for weight in model.weights:
        weight.assign(weight + 0.1)
    trained, averages = model.get_weights(), average.of(model)

    def assert_has(expected):
        for found, wanted in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)

    with pytest.raises(KeyboardInterrupt), average.in_place():
        assert_has(averages)
        with average.put_back():
            assert_has(trained)
        assert_has(averages)
        raise KeyboardInterrupt
    assert_has(trained)
    with average.put_back():
        assert_has(trained)


def loss_of(model, part):
    probabilities = model.predict(part.images, verbose=0)
    return float(np.mean(keras.losses.sparse_categorical_crossentropy(part.labels, probabilities)))


def test_validation_measures_what_is_kept_and_training_goes_on_from_its_own(tmp_path):
    plain, averaged = small_job(tmp_path / "plain"), small_job(tmp_path / "averaged", AVERAGED)
    for job in (plain, averaged):
        job.metrics_file.parent.mkdir()
    Loop(plain).run()
    loop = Loop(averaged)
    loop.run()
    for mine, theirs in zip(averaged.model.weights, plain.model.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    best = loop.state.best
    plain.model.set_weights(loop.best_weights)
    assert loss_of(plain.model, small_splits().validation) == pytest.approx(best["validation"]["loss"], rel=1e-5)


@pytest.mark.parametrize("unfrozen", [("all", 0), (0, 2), (2, 0, "all")])
def test_with_and_without_the_cache_the_same_bits(tmp_path, unfrozen):
    phases = tuple(PhaseConfig(from_epoch=number, unfreeze=units) for number, units in enumerate(unfrozen, start=1))
    config = replace(AVERAGED, freeze=replace(AVERAGED.freeze, phases=phases, unfreeze=None),
                     cache=replace(AVERAGED.cache, dtype="float32", fold_batch_norm=False))
    outcomes = []
    for mode in ("memory", "off"):
        job = small_job(tmp_path / mode, replace(config, cache=replace(config.cache, mode=mode)),
                        task=CACHED_TASK)
        job.metrics_file.parent.mkdir()
        assert (mode == "memory") == any(cut is not None for cut in job.cache_plan.phases)
        loop = Loop(job)
        loop.run()
        outcomes.append((job.metrics_file.read_text(), [weight.tobytes() for weight in loop.best_weights]))
    assert outcomes[0] == outcomes[1]
