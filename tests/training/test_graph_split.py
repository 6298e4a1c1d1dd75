"""Where training begins, and the cuts in front of it: each separates, shortcuts included."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.small_models import residual_model, units_of
from tfpt.training.freezing import Phase, apply_phase
from tfpt.training.graph_runner import graph_runner
from tfpt.training.graph_split import frozen_cuts, graph_nodes, reached_nodes

PIXELS = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")


def split(model, unfrozen):
    units = units_of(model)
    return apply_phase(model, units, Phase(1, 1, unfrozen, 1.0, 0.1, False))


def forward(model, layers):
    run = graph_runner(model.inputs, model.outputs, reached=reached_nodes(model, layers))
    return lambda inputs: run(inputs)[0]


def test_a_cut_through_a_residual_block_takes_the_shortcut_along():
    model = residual_model()
    layers = split(model, 4)  # the last block without its frozen BatchNormalization: its convolution trains
    assert frozen_cuts(model, layers)[-1].name == "block_1_add"
    names = [cut.name for cut in frozen_cuts(model, split(model, 0))]
    assert names[-1] == "head_pool" and "block_1_add + block_2_conv" in names and "pixels" not in names


def test_layers_without_weights_and_dropout_belong_to_what_is_frozen():
    """Frozen BatchNormalization, ReLU and Add among the unfrozen ones change nothing: work in front of the cut."""
    model = residual_model()
    assert frozen_cuts(model, split(model, 3))[-1].name == "head_pool"
    model = residual_model(dropout=0.5)
    assert frozen_cuts(model, split(model, 3))[-1].name == "block_1_add + block_2_relu"


@settings(max_examples=15, deadline=None)
@given(blocks=st.integers(1, 3), unfrozen=st.integers(0, 13), data=st.data())
def test_any_cut_gives_the_models_own_numbers(blocks, unfrozen, data):
    model = residual_model(blocks)
    layers = split(model, min(unfrozen, 1 + 4 * blocks))
    for layer in model.layers:  # frozen BatchNormalization: training and inference agree
        layer.trainable = layer.trainable and not isinstance(layer, keras.layers.BatchNormalization)
    cuts = frozen_cuts(model, layers)
    expected = model(PIXELS, training=False)
    np.testing.assert_array_equal(forward(model, layers)(PIXELS), expected)
    if cuts:
        cut = data.draw(st.sampled_from(cuts))
        rows = graph_runner(model.inputs, cut.tensors)(PIXELS)
        assert sum(np.prod(row.shape[1:]) for row in rows) == cut.values
        np.testing.assert_array_equal(graph_runner(cut.tensors, model.outputs)(*rows)[0], expected)


def test_dropout_is_off_in_front_of_the_boundary_and_on_behind_it():
    model = residual_model(dropout=0.5)
    frozen = forward(model, split(model, 0))
    np.testing.assert_array_equal(frozen(PIXELS), frozen(PIXELS))
    partial = forward(model, split(model, 5))
    assert not np.array_equal(partial(PIXELS), partial(PIXELS))


def test_when_everything_trains_there_is_no_cut():
    model = residual_model(dropout=0.5)
    layers = split(model, len(units_of(model)))
    assert frozen_cuts(model, layers) == []
    assert len(reached_nodes(model, layers)) == len(graph_nodes(model.inputs, model.outputs))
    assert forward(model, layers)(PIXELS).shape == (2, 3)


def test_what_a_row_of_numbers_cant_stand_for_is_no_cut():
    """Token ids, a mask, an unknown length: the cuts go round them."""
    tokens = keras.Input((5,), dtype="int32")
    masked = keras.layers.Embedding(10, 4, mask_zero=True)(tokens)
    plain = keras.layers.Dense(3)(keras.layers.Embedding(10, 4)(tokens))
    pooled = keras.layers.GlobalAveragePooling1D()(masked)
    outputs = keras.layers.Dense(2, name="head")(keras.layers.Concatenate(name="join")([
        pooled, keras.layers.Flatten(name="flat")(plain)]))
    model = keras.Model(tokens, outputs)
    for layer in model.layers:
        layer.trainable = layer.name == "head"
    for cut in frozen_cuts(model, [model.get_layer("head")]):
        assert all(tensor.dtype == "float32" and getattr(tensor, "_keras_mask", None) is None
                   for tensor in cut.tensors), cut.name
    assert frozen_cuts(model, [model.get_layer("head")])[-1].name == "join"


@pytest.mark.parametrize("unfrozen", [0, 4])
def test_the_model_saves_as_before_after_it_was_split(tmp_path, unfrozen):
    model = residual_model()
    forward(model, split(model, unfrozen))(PIXELS)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(PIXELS), model(PIXELS))
