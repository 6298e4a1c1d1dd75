"""The split at the frozen boundary gives the model's own numbers, and inference mode in front of it."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.small_models import residual_model, units_of
from tfpt.training.freezing import Phase, apply_phase
from tfpt.training.graph_split import boundary_tensors, forward_for_training

PIXELS = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")


def split(model, unfrozen):
    units = units_of(model)
    return apply_phase(model, units, Phase(1, 1, unfrozen, 1.0, 0.1, False))


def test_a_cut_through_a_residual_block_takes_the_shortcut_along():
    model = residual_model()
    layers = split(model, 3)  # block_2's BatchNormalization (frozen), ReLU and Add
    names = {tensor._keras_history.operation.name for tensor in boundary_tensors(model, layers)}
    assert names == {"block_2_bn", "block_1_add"}


@settings(max_examples=10, deadline=None)
@given(blocks=st.integers(1, 3), unfrozen=st.integers(0, 13))
def test_without_random_layers_the_split_is_exact(blocks, unfrozen):
    model = residual_model(blocks)
    layers = split(model, min(unfrozen, 1 + 4 * blocks))
    for layer in model.layers:  # frozen BatchNormalization: training and inference agree
        layer.trainable = layer.trainable and not isinstance(layer, keras.layers.BatchNormalization)
    np.testing.assert_array_equal(forward_for_training(model, layers)(PIXELS), model(PIXELS, training=False))


def test_dropout_is_off_in_front_of_the_boundary_and_on_behind_it():
    model = residual_model(dropout=0.5)
    frozen = forward_for_training(model, split(model, 0))
    np.testing.assert_array_equal(frozen(PIXELS), frozen(PIXELS))
    partial = forward_for_training(model, split(model, 5))
    assert not np.array_equal(partial(PIXELS), partial(PIXELS))


def test_when_everything_trains_the_model_itself_runs():
    model = residual_model(dropout=0.5)
    layers = split(model, len(units_of(model)))
    boundary = boundary_tensors(model, layers)
    assert [tensor.name for tensor in boundary] == ["pixels"]
    assert forward_for_training(model, layers)(PIXELS).shape == (2, 3)


@pytest.mark.parametrize("unfrozen", [0, 4])
def test_the_model_saves_as_before_after_it_was_split(tmp_path, unfrozen):
    model = residual_model()
    forward_for_training(model, split(model, unfrozen))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(PIXELS), model(PIXELS))
