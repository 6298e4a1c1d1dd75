"""run.json over a training's life, whatever ends it."""

import json
from types import SimpleNamespace

import pytest

from tfpt.errors import Interrupted, RunError, TrainingFailed
from tfpt.run_directory import Run
from tfpt.training.job import LoopState
from tfpt.workflows.records import status_record


@pytest.mark.parametrize("problem, status, why", [
    (Interrupted("stopped", 143), "interrupted", None), (KeyboardInterrupt(), "interrupted", None),
    (TrainingFailed("diverged"), "failed", "TrainingFailed: diverged"),
    (ValueError("odd"), "failed", "ValueError: odd")])
def test_an_error_is_recorded_and_passed_on(tmp_path, problem, status, why):
    run = Run(tmp_path)
    run.update_manifest(status="running")
    with pytest.raises(type(problem)), status_record(run):
        raise problem
    manifest = json.loads(run.manifest_file.read_text())
    assert (manifest["status"], manifest["why"]) == (status, why)


def test_what_was_mended_is_recorded_however_it_ends(tmp_path):
    run, loop = Run(tmp_path), SimpleNamespace(state=LoopState(recoveries=[{"epoch": 2, "what": "diverged"}]))
    run.update_manifest(status="running")
    with pytest.raises(TrainingFailed), status_record(run, loop):
        raise TrainingFailed("out of memory")
    assert json.loads(run.manifest_file.read_text())["recoveries"] == [{"epoch": 2, "what": "diverged"}]


def test_a_disk_that_takes_no_record_hides_nothing_of_what_ended_the_training(tmp_path, monkeypatch):
    run = Run(tmp_path)
    run.update_manifest(status="running")
    monkeypatch.setattr(Run, "update_manifest", lambda *_, **__: (_ for _ in ()).throw(RunError("no room")))
    with pytest.raises(TrainingFailed, match="diverged"), status_record(run):
        raise TrainingFailed("diverged")
    with pytest.raises(Interrupted), status_record(run):
        raise Interrupted("stopped", 143)


def test_a_failure_before_the_first_record_writes_none(tmp_path):
    with pytest.raises(ValueError), status_record(Run(tmp_path)):
        raise ValueError("early")
    assert not Run(tmp_path).manifest_file.exists()
