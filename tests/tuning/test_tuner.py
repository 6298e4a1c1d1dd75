"""The tuner over made-up trainings, alone and as a worker of a real server."""

import os
import threading
import time
from concurrent import futures
from contextlib import contextmanager
from types import SimpleNamespace

import grpc
import keras_tuner
import pytest
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_chief, oracle_client

from tests.tuning.results import completed, failed
from tests.tuning.searches import SPACE, oracle_in
from tfpt.errors import Interrupted, RunError
from tfpt.tuning import oracles
from tfpt.tuning.tuner import TrialTuner, reported_results

OURS, FOREIGN = "0123456789ab", "ba9876543210"


def train(request):
    return completed(request.number, request.number / 10, **request.values)


def tuner_in(folder, run_request=train, told=None, trials=3, **options):
    found = [] if told is None else told
    return TrialTuner(oracle_in(folder, trials=trials, **options), SPACE, folder / "search", run_request, found.append,
                      lambda begins: None)


def test_every_result_is_told_once_it_is_safe(tmp_path):
    def run_request(request):
        return failed(2, **request.values) if request.number == 2 else train(request)

    told = []
    tuner = tuner_in(tmp_path, run_request, told)
    tuner.search(verbose=0)
    assert [(result.number, result.score) for result in told] == [(1, 0.1), (2, None), (3, 0.3)]
    reported = reported_results(tuner.oracle, SPACE)
    assert [(result.number, result.status, result.score) for result in reported] == [
        (1, "completed", 0.1), (2, "failed", None), (3, "completed", 0.3)]
    assert [result.values for result in reported] == [result.values for result in told]


@pytest.mark.parametrize("broken", [1, 2])
def test_a_trial_that_breaks_down_unforeseen_is_told_as_failed_itself(tmp_path, broken):
    def run_request(request):
        if request.number == broken:
            raise ZeroDivisionError("by nothing")
        return train(request)

    told = []
    tuner_in(tmp_path, run_request, told).search(verbose=0)
    assert [result.number for result in told] == [1, 2, 3]
    assert [result.number for result in told if result.status == "failed"] == [broken]
    assert told[broken - 1].why == "ZeroDivisionError: by nothing" and set(told[broken - 1].values) == {
        dimension.name for dimension in SPACE}


@pytest.mark.parametrize("stop", [Interrupted("a signal", 143), RunError("the disk is full")])
def test_what_stops_a_search_leaves_its_trial_open(tmp_path, stop):
    def run_request(request):
        if request.number == 2:
            raise stop
        return train(request)

    told, asked = [], []
    tuner = tuner_in(tmp_path, run_request, told)
    with pytest.raises(keras_tuner.errors.FatalError, match=str(stop)) as caught:
        tuner.search(verbose=0)
    assert caught.value.__cause__ is stop
    assert [result.number for result in told] == [1] and tuner.oracle.end_order == ["0"]
    tuner_in(tmp_path, lambda request: asked.append(request.number) or train(request)).search(verbose=0)
    assert asked == [2, 3]


@pytest.mark.parametrize("writes", range(4))
def test_a_disk_that_is_full_stops_the_search(tmp_path, monkeypatch, writes):
    real, done = oracles.atomic_write_text, []

    def write(path, text):
        if len(done) == writes:
            raise RunError("the disk is full")
        done.append(real(path, text))

    monkeypatch.setattr(oracles, "atomic_write_text", write)
    with pytest.raises(RunError, match="the disk is full"):
        tuner_in(tmp_path).search(verbose=0)
    monkeypatch.undo()
    again = tuner_in(tmp_path)
    again.search(verbose=0)
    assert len(again.oracle.end_order) == 3


@contextmanager
def serving(oracle, address="127.0.0.1:0"):
    """The chief's server of ``oracle``; its address goes to where KerasTuner's client reads it."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    protos.get_service_grpc().add_OracleServicer_to_server(oracle_chief.OracleServicer(oracle), server)
    port = server.add_insecure_port(address)
    server.start()
    os.environ["KERASTUNER_ORACLE_PORT"] = str(port)
    try:
        yield f"127.0.0.1:{port}", server
    finally:
        server.stop(None).wait()


@pytest.fixture
def is_worker(monkeypatch):
    monkeypatch.setenv("KERASTUNER_TUNER_ID", f"worker-{OURS}-1")
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "0")


def test_a_worker_trains_what_the_chief_hands_out(tmp_path, is_worker):
    def run_request(request):
        if request.number == 2:
            raise ZeroDivisionError("by nothing")
        return train(request)

    told, oracle = [], oracle_in(tmp_path / "chief", trials=3, fingerprint=OURS)
    with serving(oracle):
        tuner_in(tmp_path / "worker", run_request, told).search(verbose=0)
    assert [(result.number, result.status) for result in told] == [(1, "completed"), (2, "failed"), (3, "completed")]
    reported = reported_results(oracle, SPACE)
    assert [(result.number, result.score) for result in reported] == [(1, 0.1), (2, None), (3, 0.3)]
    assert [result.values for result in reported] == [result.values for result in told]
    assert [file.name for file in (tmp_path / "worker").rglob("*") if file.is_file()] == []


def test_a_worker_whose_chief_is_gone_ends_and_its_trial_is_no_failure(tmp_path, is_worker, monkeypatch):
    monkeypatch.setattr(oracle_client, "TIMEOUT", 0.5)
    told, oracle = [], oracle_in(tmp_path / "chief", trials=3, fingerprint=OURS)
    with serving(oracle) as (address, server):
        def run_request(request):
            server.stop(None).wait()
            return train(request)

        tuner = tuner_in(tmp_path / "worker", run_request, told)
        with pytest.raises(keras_tuner.errors.FatalError) as caught:
            tuner.search(verbose=0)
        lost = caught.value.__cause__
        assert isinstance(lost, RunError) and isinstance(lost.__cause__, grpc.RpcError)
        assert address in str(lost) and "--resume" in str(lost) and "\n" not in str(lost)
        for method, asked in (("create_trial", "worker"), ("get_trial", "0"), ("end_trial", oracle.trials["0"])):
            with pytest.raises(keras_tuner.errors.FatalError):
                getattr(tuner.oracle, method)(asked)
    assert not told and not oracle.end_order


def test_the_chief_of_another_search_at_the_same_address_takes_nothing(tmp_path, is_worker):
    """And sends the worker away."""
    other = oracle_in(tmp_path / "other", trials=3, seed=7, fingerprint=FOREIGN)
    under_way = other.create_trial(f"worker-{FOREIGN}-1")
    told, moved = [], []
    with serving(oracle_in(tmp_path / "chief", trials=3, fingerprint=OURS)) as (address, server):
        def run_request(request):
            server.stop(None).wait()
            moved.append(serving(other, address))
            moved[0].__enter__()
            return train(request)

        tuner_in(tmp_path / "worker", run_request, told).search(verbose=0)
        moved[0].__exit__(None, None, None)
    assert [result.number for result in told] == [1] and not other.end_order
    assert other.trials["0"].status == "RUNNING" and not other.get_trial(under_way.trial_id).metrics.exists("accuracy")


def test_a_chief_that_can_not_save_ends_with_the_reason(tmp_path, is_worker, monkeypatch):
    monkeypatch.setattr(oracle_chief, "time", SimpleNamespace(sleep=lambda seconds: time.sleep(0.02)))
    with serving(oracle_in(tmp_path / "unused")) as (address, _):
        pass  # its port is free now
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    chief = tuner_in(tmp_path, fingerprint=OURS)
    statuses = []

    def work():
        client = oracle_client.OracleClient(chief.oracle)
        trial = client.create_trial(f"worker-{OURS}-1")
        monkeypatch.setattr(oracles, "atomic_write_text", full)
        client.update_trial(trial.trial_id, {"accuracy": 0.5}, step=1)
        trial.status = "COMPLETED"
        client.end_trial(trial)
        statuses.extend([trial.status, client.create_trial(f"worker-{OURS}-1").status])

    def full(*_):
        raise RunError("the disk is full")

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    with pytest.raises(RunError, match="the disk is full"):
        chief.search(verbose=0)
    worker.join(20)
    assert statuses == ["COMPLETED", "STOPPED"]
