"""ONNX files: the network's numbers in ONNX Runtime, its names, and no file where ONNX can't hold it."""

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

from tests.export.networks import CLASSES, SIZE, difference, digits, direct, mobilenet, rows_of_three
from tfpt.errors import ExportError
from tfpt.export import onnx_format
from tfpt.export.network import constant_network
from tfpt.export.onnx_format import OPSET, write_onnx
from tfpt.export.runtimes import ask_onnx


@pytest.fixture(scope="module")
def network():
    return mobilenet()


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    write_onnx(network, path)
    return path


@pytest.mark.parametrize("count", [1, 3, 32])
def test_it_gives_the_networks_numbers(network, file, count):
    answers, wanted = ask_onnx(file, [digits(1000, 1000 + count)]), direct(network, digits(1000, 1000 + count))
    assert set(answers) == {"probabilities", "features"}
    for name, value in wanted.items():
        np.testing.assert_allclose(answers[name], value, atol=1e-5)


def test_an_empty_batch_gives_empty_outputs(file):
    answers = ask_onnx(file, [digits(0, 0)])
    assert answers["probabilities"].shape == (0, CLASSES) and answers["features"].shape == (0, 1280)


def test_it_is_plain_onnx_with_the_signatures_names(file):
    model = onnx.load(file)
    assert [(opset.domain, opset.version) for opset in model.opset_import if not opset.domain] == [("", OPSET)]
    assert {node.op_type for node in model.graph.node}.isdisjoint({"If", "Loop", "BatchNormalization"})
    [pixels] = model.graph.input
    assert (pixels.name, pixels.doc_string) == ("pixels", "RGB levels")
    sides = [side.dim_param or side.dim_value for side in pixels.type.tensor_type.shape.dim]
    assert sides == ["batch", SIZE, SIZE, 3]
    outputs = {value.name: value.type.tensor_type.shape.dim for value in model.graph.output}
    assert [side.dim_param or side.dim_value for side in outputs["probabilities"]] == ["batch", CLASSES]
    assert [side.dim_param or side.dim_value for side in outputs["features"]] == ["batch", 1280]


def test_inputs_are_told_apart_by_name(tmp_path):
    write_onnx(difference(), tmp_path / "n.onnx")
    inputs = {"minuend": np.full((2, 3), 5, np.float32), "subtrahend": np.full((2, 3), 3, np.float32)}
    assert ask_onnx(tmp_path / "n.onnx", [inputs])["result"].tolist() == [[2] * 3] * 2


def missing(rows):
    return {"result": tf.math.igamma(tf.math.bessel_i0e(rows), rows)}


def missing_in_a_branch(rows):
    return {"result": tf.cond(tf.reduce_sum(rows) > 0, lambda: missing(rows)["result"], lambda: -rows)}


@pytest.mark.parametrize("call", [missing, missing_in_a_branch])
def test_operations_that_onnx_lacks_are_named_and_nothing_is_written(call, tmp_path, capfd):
    with pytest.raises(ExportError, match="needs BesselI0e, Igamma, which"):
        write_onnx(rows_of_three(call, "rows"), tmp_path / "n.onnx")
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_a_failing_converter_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_format, "OPSET", 10 ** 6)
    with pytest.raises(ExportError, match="tf2onnx failed"):
        write_onnx(difference(), tmp_path / "n.onnx")
    assert not list(tmp_path.iterdir())


def test_it_is_quiet(tmp_path, capfd):
    write_onnx(difference(), tmp_path / "n.onnx")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh", "elu", "selu", "linear"])
def test_what_a_head_may_be_made_of_converts(activation, tmp_path):
    numbers = keras.Input([3])
    model = keras.Model(numbers, keras.layers.Dense(3, activation)(numbers))
    network = constant_network(model, {"result": model.outputs[0]})
    rows = {"rows": np.random.default_rng(0).normal(0, 3, (50, 3)).astype(np.float32)}
    signature = rows_of_three(lambda rows: network.of_rows(rows), "rows")
    write_onnx(signature, tmp_path / "n.onnx")
    np.testing.assert_allclose(ask_onnx(tmp_path / "n.onnx", [rows])["result"], model(rows["rows"]), atol=1e-5)
