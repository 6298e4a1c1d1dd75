"""LiteRT files: the network's numbers in LiteRT, its names, smaller weights, and no file where LiteRT can't hold it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tests.export.networks import CLASSES, SIZE, difference, digits, direct, mobilenet, rows_of_three
from tests.workflows.finished_runs import brightness_model
from tfpt.errors import DataError, ExportError
from tfpt.export.image_signatures import image_classifier_signatures
from tfpt.export.litert_format import write_litert
from tfpt.export.network import constant_network
from tfpt.export.runtimes import ask_litert
from tfpt.task import Signature, TensorInfo

FORMS = ("none", "float16", "int8")


@pytest.fixture(scope="module")
def network():
    return mobilenet()


@pytest.fixture(scope="module")
def files(network, tmp_path_factory):
    """The network in each form, by its name."""
    folder = tmp_path_factory.mktemp("litert")
    for form in FORMS:
        calibration = (digits(first, first + count) for first, count in ((0, 32), (32, 32), (64, 5)))
        write_litert(network, folder / form, form, calibration if form == "int8" else None)
    return {form: folder / form for form in FORMS}


@pytest.mark.parametrize("count", [1, 3, 32])
@pytest.mark.parametrize("form, tolerance", [("none", 1e-5), ("float16", 1e-2)])
def test_it_gives_the_networks_numbers(network, files, form, tolerance, count):
    answers, wanted = ask_litert(files[form], [digits(1000, 1000 + count)]), direct(network, digits(1000, 1000 + count))
    assert set(answers) == {"probabilities", "features"}
    for name, value in wanted.items():
        np.testing.assert_allclose(answers[name], value, atol=tolerance)


@pytest.mark.parametrize("size", [1, 3, 32])
def test_int8_gives_nearly_its_labels(network, files, size):
    inputs = digits(1000, 1096)["pixels"]
    answers = ask_litert(files["int8"], [{"pixels": inputs[first:first + size]} for first in range(0, 96, size)])
    labels = direct(network, {"pixels": inputs})["probabilities"].argmax(axis=1)
    assert len(set(labels)) == CLASSES
    assert (answers["probabilities"].argmax(axis=1) == labels).mean() >= 0.9


@pytest.mark.parametrize("form", FORMS)
def test_it_has_the_signatures_names_float_ends_and_any_batch(files, form):
    interpreter = Interpreter(model_path=str(files[form]))
    assert interpreter.get_signature_list() == {
        "serving_default": {"inputs": ["pixels"], "outputs": ["features", "probabilities"]}}
    ends = interpreter.get_input_details() + interpreter.get_output_details()
    assert {end["dtype"] for end in ends} == {np.float32}
    assert sorted(end["shape_signature"].tolist() for end in ends) == [[-1, CLASSES], [-1, SIZE, SIZE, 3], [-1, 1280]]


def kinds(path):
    return [tensor["dtype"] for tensor in Interpreter(model_path=str(path)).get_tensor_details()]


def test_only_int8_computes_in_int8(files):
    assert kinds(files["int8"]).count(np.float32) == 3  # the input and the two outputs
    assert kinds(files["int8"]).count(np.int8) > 100
    assert np.int8 not in kinds(files["none"]) + kinds(files["float16"])
    assert np.float16 in kinds(files["float16"]) and np.float16 not in kinds(files["none"])


def test_files_are_smaller(files, tmp_path):
    assert files["float16"].stat().st_size < 0.55 * files["none"].stat().st_size
    assert files["int8"].stat().st_size < 0.45 * files["none"].stat().st_size  # narrow layers have many scales
    weights = tf.constant(np.random.default_rng(0).normal(size=(400, 500)).astype(np.float32))
    info = TensorInfo("float32", (None, 400), "numbers")
    wide = Signature("numbers to numbers", {"rows": info}, {"result": info}, lambda rows: {"result": rows @ weights})
    sizes = {}
    for form in FORMS:
        write_litert(wide, tmp_path / form, form, [{"rows": np.ones((8, 400), np.float32)}])
        sizes[form] = (tmp_path / form).stat().st_size / (4 * 400 * 500)
    assert sizes == pytest.approx({"none": 1, "float16": 0.5, "int8": 0.25}, abs=0.03)


def test_the_network_of_an_image_classifier_converts(tmp_path):
    model = brightness_model()
    served = image_classifier_signatures(model, model.get_layer("head_pool").output, 32, ["dark", "light"])
    inputs = {"pixels": np.stack([np.full((32, 32, 3), level, np.float32) for level in (10, 90, 170, 250)])}
    write_litert(served.network, tmp_path / "int8", "int8", [inputs])
    assert ask_litert(tmp_path / "int8", [inputs])["probabilities"].argmax(axis=1).tolist() == [0, 0, 1, 1]


def test_inputs_are_told_apart_by_name(tmp_path):
    write_litert(difference(), tmp_path / "n.tflite")
    inputs = {"minuend": np.full((2, 3), 5, np.float32), "subtrahend": np.full((2, 3), 3, np.float32)}
    assert ask_litert(tmp_path / "n.tflite", [inputs])["result"].tolist() == [[2] * 3] * 2


@pytest.mark.parametrize("largest", [1, 10])
def test_int8_reaches_as_far_as_its_calibration(largest, tmp_path):
    seen = {"rows": np.linspace(0, largest, 30, dtype=np.float32).reshape(10, 3)}
    write_litert(rows_of_three(lambda rows: {"result": 2 * rows}, "rows"), tmp_path / "n.tflite", "int8", [seen])
    answers = ask_litert(tmp_path / "n.tflite", [{"rows": np.full((1, 3), 100, np.float32)}])
    np.testing.assert_allclose(answers["result"], 2 * largest, rtol=0.02)


@pytest.mark.parametrize("call, names", [
    (lambda rows: {"result": tf.math.erf(rows)}, "Erf"),
    (lambda rows: {"result": tf.math.bessel_i0e(rows)}, "BesselI0e"),
    (lambda rows: {"result": tf.math.erf(rows) + tf.math.erfc(rows)}, "Erf, Erfc")])
@pytest.mark.parametrize("form", FORMS)
def test_operations_that_litert_lacks_are_named_and_nothing_is_written(call, names, form, tmp_path, capfd):
    with pytest.raises(ExportError, match=f"needs {names}. Replace"):
        write_litert(rows_of_three(call, "rows"), tmp_path / "n.tflite", form, [{"rows": np.ones((4, 3), np.float32)}])
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_operations_that_would_stay_in_float32_are_named(tmp_path):
    network = rows_of_three(lambda rows: {"result": tf.sin(rows) @ tf.eye(3)}, "rows")
    with pytest.raises(ExportError, match="SIN would stay in float32. Use --quantize float16"):
        write_litert(network, tmp_path / "n.tflite", "int8", [{"rows": np.ones((4, 3), np.float32)}])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("calibration", [None, [], iter(())])
def test_int8_needs_examples(calibration, tmp_path):
    with pytest.raises(ExportError, match="to calibrate int8 on, but there are none"):
        write_litert(difference(), tmp_path / "n.tflite", "int8", calibration)


def test_an_error_of_the_examples_comes_through(tmp_path):
    def broken():
        yield digits(0, 2)
        raise DataError("a picture is gone")

    with pytest.raises(DataError, match="a picture is gone"):
        write_litert(mobilenet(), tmp_path / "n.tflite", "int8", broken())


def test_a_failing_converter_is_an_error(tmp_path):
    with pytest.raises(ExportError, match="converter failed"):
        write_litert(difference(), tmp_path / "n.tflite", "int8", [{"minuend": np.ones((1, 3), np.float32)}])
    assert not list(tmp_path.iterdir())


def test_it_is_quiet(tmp_path, capfd):
    for form in FORMS:
        write_litert(difference(), tmp_path / form, form, [{name: np.ones((4, 3), np.float32)
                                                            for name in ("minuend", "subtrahend")}])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh", "elu", "selu", "linear"])
def test_what_a_head_may_be_made_of_converts(activation, tmp_path):
    numbers = keras.Input([3])
    model = keras.Model(numbers, keras.layers.Dense(3, activation)(numbers))
    network = constant_network(model, {"result": model.outputs[0]})
    rows = {"rows": np.random.default_rng(0).normal(0, 3, (50, 3)).astype(np.float32)}
    signature = rows_of_three(lambda rows: network.of_rows(rows), "rows")
    write_litert(signature, tmp_path / "n.tflite")
    np.testing.assert_allclose(ask_litert(tmp_path / "n.tflite", [rows])["result"], model(rows["rows"]), atol=1e-5)
