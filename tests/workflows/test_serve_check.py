"""tfpt serve-check: exports in their run, copied away, damaged, foreign, and dangerous."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfpt.errors import CheckFailed, ExportError, RunError
from tfpt.workflows.export import export_run
from tfpt.workflows.serve_check import export_folder, serve_check


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    """(run folder, export folder) of a run with two versions; tests only read them."""
    run = tmp_path_factory.mktemp("served") / "pictures-0001"
    shutil.copytree(finished[1], run)
    for _ in range(2):
        report = export_run(run, quiet=True)
    assert report["version"] == 2
    return run, run / "export" / "2"


@pytest.fixture
def copy(exported, tmp_path):
    """A copy that doesn't lie in its run; tests may change it."""
    return shutil.copytree(exported[1], tmp_path / "copied")


def test_an_export_in_its_run_is_held_against_it(exported):
    report = serve_check(exported[1], quiet=True)
    assert os.path.samefile(report["compared_with"], exported[0])
    assert list(report["loaders"]) == ["fresh process", "C++ loader"]
    assert all(parity["same_label"] == report["examples"] > 0 for parity in report["loaders"].values())
    assert report["ops"]["count"] > 20 and not report["ops"]["unknown"] and not report["ops"]["text"]
    assert report["warm_up_requests"] == 5
    assert [row["batch_size"] for row in report["latency"]] == [1, 8, 32]
    for row in report["latency"]:
        assert 0 < row["p50_ms"] <= row["p99_ms"] and row["calls"] >= 20 and row["examples_per_second"] > 0
    assert json.loads(json.dumps(report))["examples"] == report["examples"]


def test_a_run_and_its_versions_mean_the_newest(exported):
    assert export_folder(exported[0]) == export_folder(exported[0] / "export") == exported[1]
    assert export_folder(exported[0] / "export" / "1").name == "1"


def test_a_run_may_be_named(exported, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "pictures-0001").symlink_to(exported[0])
    assert export_folder(Path("pictures-0001")) == Path("runs/pictures-0001/export/2")


def test_a_copy_is_held_against_the_answers_that_it_carries(copy):
    report = serve_check(copy, quiet=True)
    assert report["compared_with"] == "the answers that it carries" and report["examples"] > 1


def test_a_copy_is_held_against_the_run_that_is_named(copy, exported):
    assert serve_check(copy, run=exported[0], quiet=True)["compared_with"] == str(exported[0])


def test_a_copy_finds_the_run_of_its_name_if_it_is_the_very_model(copy, exported, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(exported[0], tmp_path / "runs" / "pictures-0001")
    assert serve_check(copy, quiet=True)["compared_with"] == "runs/pictures-0001"
    model = tmp_path / "runs" / "pictures-0001" / "model.keras"
    model.write_bytes(model.read_bytes() + b"another")
    assert serve_check(copy, quiet=True)["compared_with"] == "the answers that it carries"


def test_a_copy_whose_answers_changed_is_refused(copy):
    path = copy / "assets.extra" / "expected_answers.json"
    record = json.loads(path.read_text())
    first, second = record["outputs"]["probabilities"][0]
    record["outputs"]["probabilities"][0] = [second, first]
    path.write_text(json.dumps(record))
    with pytest.raises(CheckFailed, match="warm-up request 1"):
        serve_check(copy, quiet=True)


def test_a_run_that_was_trained_on_is_another_model(copy, run):
    """``run`` has the same data, but other weights than those that were exported."""
    import keras

    model = keras.saving.load_model(run.model_file)
    model.get_layer("head_output").set_weights([np.ones((3, 2)), np.array([0.0, 1.0])])
    model.save(run.model_file)
    with pytest.raises(CheckFailed, match="doesn't answer as the trained model") as failure:
        serve_check(copy, run=run, quiet=True)
    assert failure.value.exit_code == 4


@pytest.mark.parametrize("damage", ["{", "[]", 100_000 * "[",
                                    '{"outputs": {"probabilities": [[1, 2]]}, "class_names": ["a", "b"]}',
                                    '{"outputs": {"probabilities": "no"}, "class_names": []}'])
def test_damaged_answers_are_one_paragraph(copy, damage):
    (copy / "assets.extra" / "expected_answers.json").write_text(damage)
    with pytest.raises(ExportError, match="expected_answers.json"):
        serve_check(copy, quiet=True)


def test_without_warm_up_only_loading_is_checked(copy):
    shutil.rmtree(copy / "assets.extra")
    report = serve_check(copy, quiet=True)
    assert report["compared_with"] is None and report["latency"] == [] and report["warm_up_requests"] == 0
    assert list(report["loaders"]) == ["fresh process", "C++ loader"]


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_what_is_no_export_is_one_paragraph(tmp_path, content):
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ExportError):
        serve_check(tmp_path, quiet=True)
    with pytest.raises(RunError, match="no folder here"):
        serve_check(tmp_path / "nowhere", quiet=True)


def test_another_format_says_so(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ExportError, match="only model.onnx, which was checked when it was exported"):
        serve_check(tmp_path, quiet=True)


def test_a_truncated_export_is_refused(copy):
    content = (copy / "saved_model.pb").read_bytes()
    (copy / "saved_model.pb").write_bytes(content[:len(content) // 2])
    with pytest.raises((ExportError, CheckFailed)):
        serve_check(copy, quiet=True)


def test_data_without_a_run_have_nothing_to_be_compared_with(copy, finished):
    with pytest.raises(ExportError, match="--run"):
        serve_check(copy, data=str(finished[0]), quiet=True)
    with pytest.raises(RunError):
        serve_check(copy, run="no-such-run", quiet=True)


def save(function, folder):
    module = tf.Module()
    module.function = function
    tf.saved_model.save(module, str(folder), signatures=function.get_concrete_function())
    return folder


def test_python_in_a_foreign_model_is_refused_before_it_is_loaded(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def double(x):
        return {"y": tf.numpy_function(lambda values: values * 2, [x], tf.float32)}

    with pytest.raises(ExportError, match="PyFunc"):
        serve_check(save(double, tmp_path / "python"), quiet=True)


def test_a_foreign_model_that_reads_files_is_loaded_only_if_trusted(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="path")])
    def read(path):
        return {"content": tf.io.read_file(path)}

    folder = save(read, tmp_path / "reader")
    with pytest.raises(ExportError, match="ReadFile.*--trust"):
        serve_check(folder, quiet=True)
    assert serve_check(folder, trust=True, quiet=True)["compared_with"] is None


def test_a_model_without_signatures_is_refused(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "silent"))
    with pytest.raises(ExportError, match="no signatures"):
        serve_check(tmp_path / "silent", quiet=True)


def test_a_foreign_model_without_warm_up_is_loaded(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def double(x):
        return {"y": 2 * x}

    report = serve_check(save(double, tmp_path / "plain"), quiet=True)
    assert report["loaders"] == {"fresh process": None, "C++ loader": None}
