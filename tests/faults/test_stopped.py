"""SIGINT and SIGTERM to a training, as the command answers them."""

import os
import signal
import time

import pytest

from tests.conformance.processes import DEADLINE_SECONDS, in_middle_of
from tests.faults.killed_runs import ended, measure_once, started
from tfpt.run_directory import Run, is_locked

TASK = "image_classification"
CASES = {"SIGTERM": (signal.SIGTERM, 143), "SIGINT": (signal.SIGINT, 130), "SIGINT twice": (None, 130)}
TWICE = "interrupts:3:0"  # by itself: two from outside that come in the same moment are one


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Of each case the run directory, exit code and text. All at once: each is on one core most of the time."""
    measure_once(TASK, tmp_path_factory.mktemp("measured"))
    runs = {name: tmp_path_factory.mktemp("stopped") / "run" for name in CASES}
    # Before the interpreter begins: a test in the background of a script inherits an ignored SIGINT.
    heeding = ("env", "--default-signal=INT")
    processes = {name: started(TASK, run, "train.checkpoint_seconds=0.001", ahead=heeding,
                               moment="-" if CASES[name][0] else TWICE) for name, run in runs.items()}
    try:
        for name, (number, _) in CASES.items():
            if number:
                wait_for_update(processes[name], runs[name])
                os.kill(processes[name].pid, number)
        return {name: (runs[name], *ended(process)) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()


def wait_for_update(process, run):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not in_middle_of(run / "checkpoints", 1):
        assert process.poll() is None and time.monotonic() < deadline, "no checkpoint in the middle of epoch 1"
        time.sleep(0.002)


@pytest.mark.parametrize("name", CASES)
def test_it_ends_with_the_code_of_the_signal_and_says_what_it_left(stopped, name):
    run_dir, code, text = stopped[name]
    assert code == CASES[name][1] and "Traceback" not in text, text
    assert Run(run_dir).manifest()["status"] == "interrupted" and not is_locked(Run(run_dir))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_the_first_signal_is_answered_after_the_call_with_the_state_saved(stopped, name):
    run_dir, _, text = stopped[name]
    epoch, step = newest(run_dir)
    said = text.splitlines()[-1]
    assert f"in epoch {epoch} after step {step}. The state is saved; --resume --run-dir {run_dir} goes on" in said


def test_a_second_interrupt_is_answered_at_once_and_saves_nothing(stopped):
    run_dir, _, text = stopped["SIGINT twice"]
    assert newest(run_dir) == (1, 2) and "state is saved" not in text


def newest(run_dir):
    """Epoch and step of the newest checkpoint."""
    return max(tuple(map(int, path.name.split("-"))) for path in (run_dir / "checkpoints").iterdir())
