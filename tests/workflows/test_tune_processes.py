"""Searches as real processes: killed and resumed, and with a chief and workers of which one is killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workflows.test_tune import recipe_of

DEADLINE_SECONDS = 400
GRID = {"optimizer.learning_rate": [0.003, 0.03], "freeze.unfreeze": [0, 5]}


STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def none_outlives_its_test():
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "tfpt", "tune", "--config", recipe_of(folder, GRID), *arguments]
    environment = {**os.environ, "TFPT_CACHE": str(folder / "cache")}
    STARTED.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True))
    return STARTED[-1]


def finish(process: subprocess.Popen, exit_code: int = 0) -> str:
    out, errors = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == exit_code, errors
    return out + errors


def wait_until(true, processes, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"never: {what}"
        for process in processes:
            assert process.poll() in (None, 0), process.communicate()[1]
        time.sleep(0.02)


def results(search: Path) -> list[Path]:
    return list(search.glob("trials/*/result.json"))


def under_way(search: Path) -> list[Path]:
    """Trials that have done an epoch, and are not over."""
    return [file.parent for file in search.glob("trials/*/metrics.jsonl")
            if file.read_text() and not (file.parent / "result.json").exists()]


def outcome(search: Path) -> list[tuple]:
    record = json.loads((search / "tuning.json").read_text())
    assert record["status"] == "finished"
    return [(trial["number"], trial["values"], trial["status"], trial["score"], trial["metrics"], trial["epochs"])
            for trial in record["trials"]]


@pytest.mark.parametrize("engine", ["grid", pytest.param("hyperband", marks=pytest.mark.nightly),
                                    pytest.param("random", marks=pytest.mark.nightly),
                                    pytest.param("bayesian", marks=pytest.mark.nightly)])
def test_a_search_that_is_killed_goes_on_as_if_nothing_had_been(tmp_path, engine):
    options = ["--search", engine, "--set", f"train.epochs={3 if engine == 'hyperband' else 2}"]
    options += ["--trials", "5"] if engine in ("random", "bayesian") else []
    options += ["--set", "freeze.head_epochs=0"] if engine == "hyperband" else []
    whole = tmp_path / "whole"
    whole.mkdir()
    finish(start(whole, *options, "--run-dir", "search"))
    folder = tmp_path / "killed"
    folder.mkdir()
    search, resume = folder / "search", []
    for wanted in (1, 3):
        process = start(folder, *options, "--run-dir", "search", *resume)
        wait_until(lambda: len(results(search)) >= wanted and under_way(search), [process], f"{wanted} trials")
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        resume = ["--resume"]
    finish(start(folder, *options, "--run-dir", "search", *resume))
    assert outcome(search) == outcome(whole / "search")


def test_a_signal_stops_a_search_within_a_trial_and_it_goes_on(tmp_path):
    process = start(tmp_path, "--search", "grid", "--run-dir", "search")
    wait_until(lambda: len(results(tmp_path / "search")) >= 1, [process], "a trial")
    os.kill(process.pid, signal.SIGTERM)
    told = finish(process, 143)
    assert "--resume --run-dir search" in told
    assert json.loads((tmp_path / "search" / "tuning.json").read_text())["status"] == "interrupted"
    finish(start(tmp_path, "--run-dir", "search", "--resume"))
    assert len(outcome(tmp_path / "search")) == 4


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_chief_and_two_workers_of_which_one_is_killed(tmp_path):
    search, address = tmp_path / "search", f"127.0.0.1:{free_port()}"
    options = ["--search", "random", "--trials", "4", "--run-dir", "search"]
    lost = start(tmp_path, *options, "--worker", address)  # a worker may be there before the chief
    chief = start(tmp_path, *options, "--chief", address)
    wait_until(lambda: under_way(search), [chief, lost], "a trial under way")
    os.kill(lost.pid, signal.SIGKILL)
    lost.communicate()
    opened = under_way(search)
    late = start(tmp_path, *options, "--worker", address)
    finish(late)
    assert len(results(search)) == 4 - len(opened)
    assert chief.poll() is None  # KerasTuner's chief waits for the trial of the dead worker
    os.kill(chief.pid, signal.SIGTERM)
    finish(chief, 143)
    before = {path: path.read_text() for path in results(search)}
    address = f"127.0.0.1:{free_port()}"
    chief = start(tmp_path, "--run-dir", "search", "--resume", "--chief", address)
    worker = start(tmp_path, "--run-dir", "search", "--worker", address)
    finish(worker)
    finish(chief)
    assert len(outcome(search)) == 4
    assert {path: path.read_text() for path in before} == before
