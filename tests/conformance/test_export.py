"""Every task can be exported: a server gives the trained numbers, from a file, in processes that have no tfpt."""

import json

import pytest

from tests.conformance.processes import finish
from tfpt.registry import TASKS, get_task
from tfpt.run_directory import find_run
from tfpt.workflows.export import export_run
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


def test_the_network_has_the_batches_that_its_task_gives(exported):
    run, _ = exported
    manifest = run.manifest()
    task = get_task(manifest["task"])
    from tfpt.workflows.finished_run import open_finished

    opened = open_finished(run)
    served = task.signatures(opened.config, opened.model, opened.metadata)
    batch = next(iter(task.network_inputs(opened.config, task.sources(opened.config).test)))
    assert batch.keys() == served.network.inputs.keys()
    for name, info in served.network.inputs.items():
        assert batch[name].dtype == info.dtype and batch[name].shape[1:] == info.shape[1:]
