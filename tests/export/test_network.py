"""The network of constants: the numbers of the model, no variables, any batch, folded convolutions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpt.config.image_classification import ImageModelConfig
from tfpt.errors import ExportError
from tfpt.export import network as network_module
from tfpt.export.network import constant_network
from tfpt.models.classifier import build_classifier

SIZE = 32


@pytest.fixture(scope="module")
def model():
    """A classifier whose BatchNormalization has seen something: statistics that aren't 0 and 1."""
    keras.utils.set_random_seed(1)
    built = build_classifier(ImageModelConfig(alpha=0.35, weights="none"), SIZE, 4)
    random = np.random.default_rng(2)
    for layer in built.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(random.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(random.uniform(0.5, 1.5, layer.moving_variance.shape))
    return built


@pytest.fixture(scope="module")
def network(model):
    return constant_network(model, {"probabilities": model.outputs[0], "features": model.get_layer("head_pool").output})


def pixels(count):
    return np.random.default_rng(count).uniform(0, 255, (count, SIZE, SIZE, 3)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 7, 32])
def test_it_gives_the_models_numbers(model, network, count):
    answers = network(tf.constant(pixels(count)))
    np.testing.assert_allclose(answers["probabilities"], model(pixels(count), training=False), atol=1e-6)
    wanted = keras.Model(model.inputs, model.get_layer("head_pool").output)(pixels(count), training=False)
    np.testing.assert_allclose(answers["features"], wanted, atol=1e-4)


def test_an_empty_batch_gives_empty_outputs(network):
    answers = tf.function(network)(tf.zeros([0, SIZE, SIZE, 3]))
    assert answers["probabilities"].shape == (0, 4) and answers["features"].shape == (0, 1280)


def test_it_has_no_variables_and_its_normalisation_is_in_the_convolutions(network):
    traced = tf.function(network).get_concrete_function(tf.TensorSpec([None, SIZE, SIZE, 3]))
    assert not traced.variables and not traced.captured_inputs
    nodes = [node.op for function in traced.graph.as_graph_def().library.function for node in function.node_def]
    assert "Conv2D" in nodes and "FusedBatchNormV3" not in nodes and "ReadVariableOp" not in nodes


def test_two_signatures_share_its_constants(network, tmp_path):
    def written(count):
        module = tf.Module()
        functions = {f"f{number}": tf.function(lambda pixels: network(pixels), autograph=False).get_concrete_function(
            tf.TensorSpec([None, SIZE, SIZE, 3], name="pixels")) for number in range(count)}
        tf.saved_model.save(module, str(tmp_path / str(count)), signatures=functions)
        return (tmp_path / str(count) / "saved_model.pb").stat().st_size

    assert written(3) < 1.1 * written(1)


def test_other_sizes_are_refused(network):
    with pytest.raises(ValueError):
        tf.function(network).get_concrete_function(tf.TensorSpec([None, SIZE + 1, SIZE, 3]))


def test_weights_that_no_graph_can_hold_are_an_error(model, monkeypatch):
    monkeypatch.setattr(network_module, "MAX_GRAPH_BYTES", 1000)
    with pytest.raises(ExportError, match="2 GiB"):
        constant_network(model, {"probabilities": model.outputs[0]})


def test_functions_with_gradients_of_their_own_can_be_saved(tmp_path):
    numbers = keras.Input([3], name="numbers")
    model = keras.Model(numbers, keras.layers.Dense(2, "silu")(numbers))
    run = constant_network(model, {"result": model.outputs[0]})
    module = tf.Module()
    module.run = tf.function(lambda numbers: run(numbers), input_signature=[tf.TensorSpec([None, 3])])
    tf.saved_model.save(module, str(tmp_path / "1"))
    rows = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(tf.saved_model.load(str(tmp_path / "1")).run(rows)["result"], model(rows), atol=1e-6)
