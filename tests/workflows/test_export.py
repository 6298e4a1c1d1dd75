"""tfpt export: what it writes, when it refuses, and that it is the same twice."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.data.odd_formats import write_odd
from tests.processes import heed_interrupts
from tests.workflows.finished_runs import brightness_model, write_run
from tfpt.errors import CheckFailed, DataError, ExportError, RunError, UsageError
from tfpt.workflows import export as export_module
from tfpt.workflows.export import export_run


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    """(report, folder) of an export that tests only read."""
    report = export_run(finished[1], to=tmp_path_factory.mktemp("exports"), quiet=True)
    return report, tmp_path_factory.getbasetemp() / report["export"]


def test_it_writes_what_a_server_needs(exported):
    report, folder = exported
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found >= {"saved_model.pb", "assets/labels.txt", "model_card.md", "signature.json",
                     "assets.extra/tf_serving_warmup_requests", "assets.extra/expected_answers.json"}
    assert (folder / "assets" / "labels.txt").read_text() == "dark\nlight\n"
    assert report["version"] == 1 and report["bytes"] > 10_000
    assert list(tf.saved_model.load(str(folder)).signatures) == report["signatures"]
    assert json.loads(json.dumps(report)) == report


def test_both_loaders_gave_the_trained_numbers(exported):
    checked = exported[0]["checked"]
    assert set(checked["loaders"]) == {"fresh process", "C++ loader"}
    for parity in checked["loaders"].values():
        assert parity["same_label"] == parity["examples"] == checked["examples"] > 0
        assert parity["largest_difference"] <= 1e-5


def test_what_is_beside_it_names_the_run_and_no_path_of_this_machine(exported, finished):
    folder = exported[1]
    card = (folder / "model_card.md").read_text(encoding="utf-8")
    signature = json.loads((folder / "signature.json").read_text(encoding="utf-8"))
    assert "pictures-0001" in card and "same label" in card
    assert signature["tfpt"]["run"] == "pictures-0001"
    assert list(signature["signatures"]) == exported[0]["signatures"]
    home = str(finished[1].parents[1])
    for path in folder.rglob("*"):
        assert path.is_dir() or home.encode() not in path.read_bytes(), path


def test_versions_count_up_and_none_is_written_over(run):
    assert [export_run(run, quiet=True)["version"] for _ in range(2)] == [1, 2]
    before = (run.path / "export" / "2" / "saved_model.pb").stat().st_mtime_ns
    with pytest.raises(ExportError, match="version 2 .* exists"):
        export_run(run, version=2, quiet=True)
    assert (run.path / "export" / "2" / "saved_model.pb").stat().st_mtime_ns == before
    assert export_run(run, version=9, quiet=True)["export"].endswith("9")


def test_twice_the_same_run_gives_the_same_outputs_bit_for_bit(run, finished):
    files = tf.constant([path.read_bytes() for path in sorted(finished[0].rglob("*.png"))])
    answers = []
    for _ in range(2):
        signatures = tf.saved_model.load(export_run(run, quiet=True)["export"]).signatures
        answers.append({f"{name} {output}": value.numpy().tobytes() for name in ("serving_default", "features")
                        for output, value in signatures[name](image_bytes=files).items() if output != "labels"})
    assert answers[0] == answers[1] and len(answers[0]) == 5


def test_the_name_of_a_run_and_another_place(run, tmp_path):
    report = export_run("pictures-0001", to=tmp_path / "models" / "mine", version=3, quiet=True)
    assert report["export"] == str(tmp_path / "models" / "mine" / "3") and not (run.path / "export").exists()


def test_other_numbers_are_refused_and_the_worst_example_is_named(run, monkeypatch):
    """The trained model answers with 1e-3 more for one image than the export will."""
    true_examples = export_module.examples_of

    def moved(opened, data):
        examples = true_examples(opened, data)
        examples.expected["probabilities"][1] += np.array([-1e-3, 1e-3])
        return examples

    monkeypatch.setattr(export_module, "examples_of", moved)
    with pytest.raises(CheckFailed, match=r"0\.001.*(dark|light)/\d+\.png") as failure:
        export_run(run, quiet=True)
    assert failure.value.exit_code == 4 and "Nothing was published" in str(failure.value)
    assert os.listdir(run.path / "export") == []


def test_a_model_that_calls_python_is_refused(run):
    """Where the class is known, a layer may do anything; a server knows no Python."""
    @keras.saving.register_keras_serializable("tests")
    class Python(keras.layers.Layer):
        def call(self, values):
            return tf.ensure_shape(tf.numpy_function(lambda array: array, [values], tf.float32), values.shape)

        def compute_output_spec(self, values):
            return keras.KerasTensor(values.shape, "float32")

    model = brightness_model()
    pixels = keras.Input((32, 32, 3), name="pixels")
    pooled = keras.layers.GlobalAveragePooling2D(name="head_pool")(Python()(pixels))
    other = keras.Model(pixels, keras.layers.Dense(2, "softmax", name="head_output")(pooled))
    other.get_layer("head_output").set_weights(model.get_layer("head_output").get_weights())
    other.save(run.model_file)
    with pytest.raises(ExportError, match="without Python.*PyFunc"):
        export_run(run, quiet=True)
    assert os.listdir(run.path / "export") == []


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_an_unfinished_run_is_refused(run, status):
    run.update_manifest(status=status)
    with pytest.raises(RunError, match="not finished"):
        export_run(run, quiet=True)
    assert not (run.path / "export").exists()


def test_what_is_no_run_is_refused(run, tmp_path):
    with pytest.raises(RunError, match="Expected a run"):
        export_run(tmp_path / "nothing", quiet=True)
    run.model_file.unlink()
    with pytest.raises(RunError, match="no model.keras"):
        export_run(run, quiet=True)


def test_changed_data_are_refused_and_others_may_be_named(tmp_path, finished, monkeypatch):
    data, again = tmp_path / "pictures", tmp_path / "others"
    for folder in (data, again):
        subprocess.run(["cp", "-r", str(finished[0]), str(folder)], check=True)
    run = write_run(tmp_path / "runs" / "moved-0001", data)
    turned = write_odd(tmp_path / "odd")["exif_6.jpg"].read_bytes()
    (data / "dark" / "new.jpg").write_bytes(turned)
    with pytest.raises(DataError, match="--data"):
        export_run(run, quiet=True)
    (again / "dark" / "turned.jpg").write_bytes(turned)
    report = export_run(run, data=str(again), quiet=True)
    assert report["checked"]["converted"] == 1 and report["checked"]["examples"] == 25


def test_at_most_a_thousand_examples_are_asked_for(run, monkeypatch, tmp_path):
    from tfpt.workflows import export_checks

    monkeypatch.setattr(export_checks, "MOST_EXAMPLES", 3)
    assert export_run(run, quiet=True)["checked"]["examples"] == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing(run, tmp_path, number):
    """No half-written version, no copies of test images, no process."""
    (tmp_path / "temporary").mkdir()
    process = subprocess.Popen([sys.executable, "-m", "tfpt", "export", "pictures-0001"], stderr=subprocess.PIPE,
                               env={**os.environ, "TMPDIR": str(tmp_path / "temporary")}, text=True,
                               preexec_fn=heed_interrupts)
    line = ""
    while not line.startswith("checking"):
        line = process.stderr.readline()
        assert line or process.poll() is None
    while not list((tmp_path / "temporary").glob("tfpt-export-*/output")):  # the other process has been started
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, number)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 128 + number and "Traceback" not in rest
    assert not [name for name in os.listdir(tmp_path / "temporary") if name.startswith("tfpt")]
    assert os.listdir(run.path / "export") == []


def test_a_model_that_is_written_again_meanwhile_is_not_published(run, monkeypatch):
    checked = export_module.check_saved_model

    def trained_on(folder, examples):
        run.model_file.write_bytes(run.model_file.read_bytes() + b"more")
        return checked(folder, examples)

    monkeypatch.setattr(export_module, "check_saved_model", trained_on)
    with pytest.raises(RunError, match="written again"):
        export_run(run, quiet=True)
    assert os.listdir(run.path / "export") == []


def test_a_model_that_gives_no_numbers_is_the_runs_fault(run):
    model = brightness_model()
    model.get_layer("head_output").set_weights([np.full((3, 2), np.nan), np.zeros(2)])
    model.save(run.model_file)
    with pytest.raises(CheckFailed, match="aren't finite.*Train it again"):
        export_run(run, quiet=True)


def test_a_model_that_is_not_the_one_that_was_tested_is_refused(run):
    from tfpt.workflows.evaluate import evaluate

    scores = evaluate(run)
    run.update_manifest(metrics={"test": {"accuracy": scores["accuracy"]}}, data={"test": scores["examples"]})
    assert export_run(run, quiet=True)["version"] == 1
    model = brightness_model()
    kernel, bias = model.get_layer("head_output").get_weights()
    model.get_layer("head_output").set_weights([-kernel, bias])
    model.save(run.model_file)
    with pytest.raises(CheckFailed, match="not the model that was tested.*0.000.*1.000"):
        export_run(run, quiet=True)


def test_the_run_itself_is_no_place_for_versions(run):
    with pytest.raises(UsageError, match="the run itself"):
        export_run(run, to=run.path, quiet=True)


def test_large_requests_go_in_small_batches(run, monkeypatch):
    from tfpt.workflows import export_checks, export_warmup
    from tfpt.workflows.finished_run import open_finished

    examples = export_checks.examples_of(open_finished(run), None)
    together = [value for batch in examples.batches() for value in batch["image_bytes"]]
    monkeypatch.setattr(export_checks, "BATCH_BYTES", 1)
    batches = list(examples.batches())
    assert len(batches) == len(examples.names) > 1
    assert [value for batch in batches for value in batch["image_bytes"]] == together
    assert export_warmup.warmup_count(examples) == len(examples.names)
    monkeypatch.setattr(export_warmup, "WARMUP_BYTES", len(together[0]) + 1)
    assert export_warmup.warmup_count(examples) == 1


def test_no_room_publishes_nothing(run, tmp_path):
    """A limit on the size of files stands in for a full disk."""
    code = ("import resource, signal, sys\n"
            "from tfpt.cli import main\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))\n"
            "sys.exit(main(['export', 'pictures-0001']))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "Nothing was published" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "bug" not in done.stderr
    assert os.listdir(run.path / "export") == []


@pytest.mark.parametrize(("model_format", "quantize"), [("onnx", "int8"), ("saved_model", "float16"),
                                                        ("tflite", "none"), ("litert", "int4")])
def test_formats_that_are_none(run, model_format, quantize):
    with pytest.raises(UsageError):
        export_run(run, model_format=model_format, quantize=quantize, quiet=True)


@pytest.mark.parametrize(("model_format", "quantize", "file"), [
    ("onnx", "none", "onnx/1/model.onnx"), ("litert", "none", "litert/1/model.tflite"),
    ("litert", "float16", "litert-float16/1/model.tflite"), ("litert", "int8", "litert-int8/1/model.tflite")])
def test_other_formats_are_checked_in_their_own_runtime(run, model_format, quantize, file):
    report = export_run(run, model_format=model_format, quantize=quantize, quiet=True)
    folder = run.path / "export" / file
    assert folder.is_file() and report["file"] == folder.name
    assert (folder.parent / "labels.txt").read_text() == "dark\nlight\n"
    assert list(report["checked"]["loaders"]) == ["ONNX Runtime" if model_format == "onnx" else "LiteRT"]
    assert report["beyond_network"].startswith("decoding image files")
    card = (folder.parent / "model_card.md").read_text(encoding="utf-8")
    assert "decoding image files" in card
    assert set(report["checked"]["accuracy"]) == (
        set() if quantize == "none" else {"float32", f"litert-{quantize}"})


def test_int8_that_costs_too_much_is_refused(run, monkeypatch):
    from tfpt.workflows import export_formats

    monkeypatch.setattr(export_formats, "INT8_ACCURACY_DROP", -0.5)
    with pytest.raises(CheckFailed, match="int8 to cost at most"):
        export_run(run, model_format="litert", quantize="int8", quiet=True)
    assert os.listdir(run.path / "export" / "litert-int8") == []
