"""Every task can be exported: a server gives the trained numbers, from a file, in processes that have no tfpt."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.processes import finish
from tfpt.export.runtimes import ask_litert, ask_onnx
from tfpt.registry import TASKS, get_task
from tfpt.run_directory import find_run
from tfpt.workflows.export import export_run
from tfpt.workflows.finished_run import open_finished
from tfpt.workflows.serve_check import serve_check


@pytest.fixture(scope="module", params=sorted(TASKS))
def exported(request, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("exported") / "run"
    finish(request.param, run_dir)
    return find_run(run_dir), export_run(run_dir, quiet=True)


def test_every_loader_gives_the_trained_numbers(exported):
    run, report = exported
    assert report["task"] == run.manifest()["task"] and report["version"] == 1
    for parity in report["checked"]["loaders"].values():
        assert parity["examples"] == report["checked"]["examples"] > 0 and parity["differing_labels"] == 0
        assert parity["largest_difference"] <= 1e-4


def test_it_says_how_each_signature_is_called(exported):
    run, report = exported
    card = json.loads((run.path / "export" / "1" / "signature.json").read_text(encoding="utf-8"))
    assert "serving_default" in report["signatures"]
    for name in report["signatures"]:
        signature = card["signatures"][name]
        assert signature["about"] and signature["inputs"] and signature["outputs"]
        assert all(info["about"] and info["shape"][0] is None
                   for infos in (signature["inputs"], signature["outputs"]) for info in infos.values())
    assert card["clients_must"] and card["examples"]
    assert run.name in (run.path / "export" / "1" / "model_card.md").read_text(encoding="utf-8")


def test_it_is_fit_to_be_served(exported):
    run, report = exported
    checked = serve_check(report["export"], quiet=True)
    assert checked["examples"] == report["checked"]["examples"] and checked["warm_up_requests"] > 0
    assert not checked["ops"]["python"] and not checked["ops"]["unknown"] and not checked["ops"]["file_access"]
    assert [row["batch_size"] for row in checked["latency"]] == [1, 8, 32]


def test_exported_twice_in_two_processes_it_gives_the_same_bits(exported, tmp_path):
    run, _ = exported
    opened = open_finished(run)
    requests = opened.task.requests(opened.config, opened.task.sources(opened.config).test).inputs(0, 20)
    network = next(iter(opened.task.network_inputs(opened.config, opened.task.sources(opened.config).test)))
    answers = []
    for name in ("one", "other"):
        for model_format in ("saved_model", "onnx", "litert"):
            subprocess.run([sys.executable, "-m", "tfpt", "export", str(run.path), "--to", str(tmp_path / name),
                            "--format", model_format], check=True, capture_output=True)
        signatures = tf.saved_model.load(str(tmp_path / name / "1")).signatures
        found = {}
        for signature, function in signatures.items():
            specs = function.structured_input_signature[1]
            inputs = {key: tf.constant(requests[key] if key in requests else network[key].astype(
                spec.dtype.as_numpy_dtype)) for key, spec in specs.items()}
            found |= {(signature, output): value.numpy() for output, value in function(**inputs).items()}
        found |= {("onnx", key): value for key, value in
                  ask_onnx(tmp_path / name / "onnx" / "1" / "model.onnx", [network]).items()}
        found |= {("litert", key): value for key, value in
                  ask_litert(tmp_path / name / "litert" / "1" / "model.tflite", [network]).items()}
        answers.append(found)
    assert answers[0].keys() == answers[1].keys() and len(answers[0]) > 10
    for key, values in answers[0].items():
        np.testing.assert_array_equal(values, answers[1][key], err_msg=str(key))


def test_all_ways_to_call_it_give_the_same_numbers(exported):
    """The gate asks serving_default; what other signatures and formats share with the network is held against it."""
    run, _ = exported
    opened = open_finished(run)
    source = opened.task.sources(opened.config).test
    served = opened.task.signatures(opened.config, opened.model, opened.metadata)
    network = next(iter(opened.task.network_inputs(opened.config, source)))
    count = len(next(iter(network.values())))
    wanted = served.network.call(**{key: tf.constant(value) for key, value in network.items()})
    signatures = tf.saved_model.load(str(run.path / "export" / "1")).signatures
    requests = opened.task.requests(opened.config, source).inputs(0, count)
    compared = 0
    for function in signatures.values():
        specs = function.structured_input_signature[1]
        inputs = {key: tf.constant(requests[key] if key in requests else network[key].astype(spec.dtype.as_numpy_dtype))
                  for key, spec in specs.items()}
        answers = function(**inputs)
        for name in answers.keys() & wanted.keys():
            np.testing.assert_allclose(answers[name], wanted[name], atol=1e-4, rtol=1e-4)
            compared += 1
    assert compared >= len(signatures)


def test_the_network_has_the_batches_that_its_task_gives(exported):
    run, _ = exported
    manifest = run.manifest()
    task = get_task(manifest["task"])
    opened = open_finished(run)
    served = task.signatures(opened.config, opened.model, opened.metadata)
    batch = next(iter(task.network_inputs(opened.config, task.sources(opened.config).test)))
    assert batch.keys() == served.network.inputs.keys()
    for name, info in served.network.inputs.items():
        assert batch[name].dtype == info.dtype and batch[name].shape[1:] == info.shape[1:]
