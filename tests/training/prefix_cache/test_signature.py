"""The hash of a piece of a model: the same for the same numbers, another after any change that could give others."""

import keras
import numpy as np
import pytest

from tests.training.small_models import residual_model
from tfpt.training.prefix_cache.signature import graph_signature


def small(width=4, activation="relu", shortcut=True, side=8, epsilon=1e-3, operand=2.0, policy=None):
    """Auto-named layers, so that a second one in a process is named otherwise."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((side, side, 3))
    x = keras.layers.Conv2D(width, 3, padding="same", activation=activation, dtype=policy)(inputs)
    y = keras.layers.BatchNormalization(epsilon=epsilon, dtype=policy)(x)
    y = keras.layers.Add(dtype=policy)([y, x] if shortcut else [y, y])
    return keras.Model(inputs, y * operand)


def signature(model, **options):
    return graph_signature(model.inputs, model.outputs, **options)


def test_a_model_built_again_has_the_same_though_its_names_differ():
    one, other = small(), small()
    assert one.layers[1].name != other.layers[1].name
    assert signature(one) == signature(other) and len(signature(one)) == 64


@pytest.mark.parametrize("change", [
    {"activation": "tanh"}, {"shortcut": False}, {"side": 16}, {"epsilon": 1e-5}, {"operand": 3.0}, {"width": 5},
    {"policy": "mixed_bfloat16"}], ids=str)
def test_any_other_layer_connection_shape_or_precision_gives_another(change):
    assert signature(small(**change)) != signature(small())
    assert signature(small(**change), weights=False) != signature(small(), weights=False)


def test_any_weight_that_changes_gives_another():
    model = small()
    seen = {signature(model)}
    for count, weight in enumerate(model.weights, 2):
        value = weight.numpy()
        value.flat[-1] = np.nextafter(value.flat[-1], np.float32(9))
        weight.assign(value)
        seen.add(signature(model))
        assert len(seen) == count
    assert signature(model, weights=False) == signature(small(), weights=False)


def nested():
    """As ConvNeXt has its first convolution."""
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.Sequential([keras.layers.Conv2D(4, 3, name="inner")], name="block")(inputs))


@pytest.mark.parametrize("build", [small, nested])
def test_what_trains_has_no_effect(build):
    model = build()
    before = signature(model)
    model.trainable = False
    assert signature(model) == before


def test_it_is_of_the_piece_alone():
    model = residual_model()
    place = model.get_layer("block_1_add").output
    before = graph_signature(model.inputs, [place])
    model.get_layer("block_2_conv").kernel.assign_add(model.get_layer("block_2_conv").kernel)
    assert graph_signature(model.inputs, [place]) == before
    model.get_layer("stem").bias.assign_add(np.ones(4))
    assert graph_signature(model.inputs, [place]) != before


def test_digests_of_weights_that_are_kept_between_pieces_change_nothing():
    model, digests = residual_model(), {}
    pieces = [[model.get_layer(name).output] for name in ("block_2_add", "block_0_add", "block_1_add")]
    kept = [graph_signature(model.inputs, piece, digests=digests) for piece in pieces]
    assert kept == [graph_signature(model.inputs, piece) for piece in pieces] and len(set(kept)) == 3
    layers = [layer for layer in model.layers if not layer.name.startswith("head_")]
    assert set(digests) == {id(weight) for layer in layers for weight in layer.weights}


def test_the_order_of_outputs_counts():
    model = residual_model()
    one, other = model.get_layer("block_0_relu").output, model.get_layer("stem").output
    assert graph_signature(model.inputs, [one, other]) != graph_signature(model.inputs, [other, one])


def test_a_large_constant_counts_to_its_last_number():
    def shifted(last):
        inputs = keras.Input((4000,))
        return keras.Model(inputs, inputs + np.concatenate([np.zeros(2000), [last], np.zeros(1999)]).astype("float32"))

    assert signature(shifted(1.0)) == signature(shifted(1.0)) != signature(shifted(2.0))


def test_what_only_training_looks_at_changes_nothing():
    model = small()
    before = signature(model)
    for layer in model.layers:
        layer.trainable = False
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
    assert signature(model) == before
