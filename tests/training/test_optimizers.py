"""Optimizers: named right, applied to subsets, a rate per variable, slots that survive."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpt.config.shared import OptimizerConfig
from tfpt.training.optimizers import highest_rate, make_optimizer, present_rate, set_rate_multipliers


def variables(count=2):
    return [keras.Variable(np.ones(3, "float32"), name=f"kernel_{index}") for index in range(count)]


def step(optimizer, chosen, times=1):
    for _ in range(times):
        optimizer.apply([tf.constant([1.0, -2.0, 0.5])] * len(chosen), chosen)


@pytest.mark.parametrize("name, keras_class", [
    ("adam", keras.optimizers.Adam), ("adamw", keras.optimizers.AdamW), ("sgd", keras.optimizers.SGD),
    ("rmsprop", keras.optimizers.RMSprop)])
def test_the_numbers_are_those_of_the_keras_optimizer(name, keras_class):
    ours, theirs = variables(), variables()
    config = OptimizerConfig(name=name, schedule="constant", learning_rate=0.1)
    optimizer = make_optimizer(config, ours, 10, 5, "float32")
    set_rate_multipliers(optimizer, {})
    settings = {"momentum": 0.9} if name in ("sgd", "rmsprop") else {}
    peer = keras_class(learning_rate=0.1, **settings)
    peer.build(theirs)
    step(optimizer, ours, 3), step(peer, theirs, 3)
    np.testing.assert_array_equal(ours[0].numpy(), theirs[0].numpy())


@pytest.mark.parametrize("name", ["adam", "sgd", "adamw"])
def test_a_multiplier_is_a_smaller_learning_rate_weight_decay_included(name):
    ours, theirs = variables(), variables()
    config = OptimizerConfig(name=name, schedule="constant", learning_rate=0.1, weight_decay=0.3)
    optimizer = make_optimizer(config, ours, 10, 5, "float32")
    set_rate_multipliers(optimizer, {id(ours[0]): 1.0, id(ours[1]): 0.25})
    slow = make_optimizer(OptimizerConfig(name=name, schedule="constant", learning_rate=0.025, weight_decay=0.3),
                          theirs, 10, 5, "float32")
    step(optimizer, ours, 3), step(slow, theirs, 3)
    np.testing.assert_allclose(ours[1].numpy(), theirs[1].numpy(), rtol=1e-6)
    assert not np.allclose(ours[0].numpy(), ours[1].numpy())


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
@pytest.mark.parametrize("schedule", ["constant", "linear", "exponential", "cosine"])
@pytest.mark.parametrize("name", ["adam", "sgd", "adamw", "rmsprop"])
def test_half_of_every_rate_has_the_bits_of_half_the_highest_rate(name, schedule, precision):
    ours, theirs = variables(), variables()
    for chosen, rate, common in ((ours, 0.1, 0.5), (theirs, 0.05, 1.0)):
        config = OptimizerConfig(name=name, schedule=schedule, learning_rate=rate, weight_decay=0.3, warmup_epochs=0.2)
        optimizer = make_optimizer(config, chosen, 10, 5, precision)
        set_rate_multipliers(optimizer, {id(chosen[0]): 0.3}, common)  # and 1 for the other
        step(optimizer, chosen, 5)
        assert highest_rate(optimizer) == np.float32(rate)
    for ours_weight, theirs_weight in zip(ours, theirs):
        np.testing.assert_array_equal(ours_weight.numpy(), theirs_weight.numpy())
        assert ours_weight.numpy()[0] != 1.0


def test_weight_decay_leaves_biases_and_norms_alone():
    kernel, bias = (keras.Variable(np.ones(2, "float32"), name=name) for name in ("kernel", "bias"))
    optimizer = make_optimizer(OptimizerConfig(name="sgd", schedule="constant", learning_rate=0.1, weight_decay=0.5),
                               [kernel, bias], 10, 5, "float32")
    optimizer.apply([tf.zeros(2), tf.zeros(2)], [kernel, bias])
    assert kernel.numpy()[0] < 1.0 and bias.numpy()[0] == 1.0


def test_a_subset_is_applied_and_its_slots_survive_the_next_phase():
    first, second = variables()
    optimizer = make_optimizer(OptimizerConfig(schedule="constant"), [first, second], 10, 5, "float32")
    step(optimizer, [second])
    slots = [variable.numpy().copy() for variable in optimizer.variables]
    assert first.numpy()[0] == 1.0
    set_rate_multipliers(optimizer, {id(first): 0.1})
    for before, after in zip(slots, optimizer.variables):
        np.testing.assert_array_equal(before, after.numpy())
    step(optimizer, [first, second])
    assert first.numpy()[0] != 1.0


def test_clipping_bounds_the_global_norm():
    chosen = variables(1)
    optimizer = make_optimizer(OptimizerConfig(name="sgd", momentum=0.0, schedule="constant", learning_rate=1.0,
                                               clip_norm=0.1), chosen, 10, 5, "float32")
    optimizer.apply([tf.constant([3.0, 4.0, 0.0])], chosen)
    np.testing.assert_allclose(chosen[0].numpy(), [1 - 0.06, 1 - 0.08, 1.0], rtol=1e-6)


def test_mixed_float16_scales_the_loss_and_skips_infinite_gradients():
    chosen = variables(1)
    optimizer = make_optimizer(OptimizerConfig(schedule="constant"), chosen, 10, 5, "mixed_float16")
    assert float(optimizer.scale_loss(tf.constant(1.0))) > 1.0
    optimizer.apply([tf.constant([np.inf, 0.0, 0.0])], chosen)
    np.testing.assert_array_equal(chosen[0].numpy(), np.ones(3))


def test_the_present_rate_follows_the_schedule():
    chosen = variables(1)
    optimizer = make_optimizer(OptimizerConfig(schedule="linear", final_rate=0.0, learning_rate=1.0), chosen, 2, 2,
                               "float32")
    rates = []
    for _ in range(4):
        rates.append(present_rate(optimizer))
        step(optimizer, chosen)
    assert rates == pytest.approx([1.0, 0.75, 0.5, 0.25])


def test_it_is_saved_and_loaded_as_a_plain_keras_optimizer(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    optimizer = make_optimizer(OptimizerConfig(warmup_epochs=1), model.trainable_variables, 10, 5, "float32")
    set_rate_multipliers(optimizer, {id(model.trainable_variables[0]): 0.5})
    model.compile(optimizer=optimizer)
    model.save(tmp_path / "m.keras")
    assert type(keras.saving.load_model(tmp_path / "m.keras").optimizer) is keras.optimizers.Adam
