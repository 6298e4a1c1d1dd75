"""Real processes in which training goes wrong: it is mended, and a run that is killed afterwards and resumed ends with
the bits of one that wasn't killed.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.conformance.processes import DEADLINE_SECONDS, REPOSITORY, last_arrays

# The head's weights grow by 5, half as fast, then not any more: penalty and rate alone see to it.
TOO_FAST = ("optimizer.name=sgd", "optimizer.momentum=0", "optimizer.schedule=constant", "optimizer.warmup_epochs=0",
            "optimizer.clip_norm=null", "optimizer.learning_rate=3000", "freeze.unfreeze=0", "train.batch_size=4",
            "train.accumulation_steps=1")
CASES = {"a rate that is far too high": ("", TOO_FAST, {"learning_rate"}),
         "no memory and a weight that is no number, in both phases": (
             "training@1,validation@2,diverged@3", ("train.epochs=3",),
             {"batch_size", "evaluation_batch_size", "learning_rate"})}
SAVE_OFTEN = "train.checkpoint_seconds=0.001"


def started(run_dir, troubles, *arguments):
    command = [sys.executable, "-m", "tests.faults.recovery_process", str(run_dir), troubles, *arguments]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finished(process):
    """What it printed while it trained to the end."""
    _, text = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0, text
    return text


def mended_so_far(checkpoints):
    """The decisions in the newest whole checkpoint."""
    try:
        names = sorted(name for name in os.listdir(checkpoints) if not name.endswith(".tmp"))
        return decisions(json.loads((checkpoints / names[-1] / "manifest.json").read_text())["state"]["recoveries"])
    except (IndexError, FileNotFoundError):  # removed since it was listed
        return set()


def decisions(recoveries):
    return {name for entry in recoveries for name in entry} & {"learning_rate", "batch_size", "evaluation_batch_size"}


def killed_once_mended(process, run_dir, mended, seconds):
    deadline = time.monotonic() + DEADLINE_SECONDS
    try:
        while mended_so_far(run_dir / "checkpoints") != mended:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline, "nothing was mended"
            time.sleep(0.002)
        time.sleep(seconds)
        process.kill()
        process.wait(timeout=DEADLINE_SECONDS)
    finally:
        process.kill()
        process.stderr.close()
    return process.returncode


def told(run_dir):
    """What run.json says of it, but for the update at which it was noticed, which depends on a call's length."""
    return [{name: value for name, value in entry.items() if name not in ("step", "finite_step")}
            for entry in json.loads((run_dir / "run.json").read_text())["recoveries"]]


@pytest.mark.parametrize("case", CASES)
def test_mended_then_killed_and_resumed_it_ends_with_the_bits_of_a_run_that_was_not(case, tmp_path):
    troubles, settings, mended = CASES[case]
    seconds = random.Random(case).uniform(0, 0.3)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    # At the same time, one after the other would take twice as long on two cores.
    processes = started(whole, troubles, *settings), started(killed, troubles, SAVE_OFTEN, *settings)
    try:
        assert killed_once_mended(processes[1], killed, mended, seconds) == -signal.SIGKILL
        text = finished(processes[0])
    finally:
        processes[0].kill()
    finished(started(killed, troubles, "--resume", *settings))
    assert (whole / "metrics.jsonl").read_text() == (killed / "metrics.jsonl").read_text()
    assert last_arrays(whole) == last_arrays(killed)
    assert told(whole) == told(killed) and decisions(told(whole)) == mended
    lines = [line for line in text.splitlines() if line.startswith(("diverged ", "memory "))]
    assert len(lines) == len(told(whole)) and all("epoch" in line for line in lines)


def test_the_count_of_what_was_tried(capsys):
    with capsys.disabled():
        print(f"\n{len(CASES)} trainings that went wrong, killed once they were mended, and resumed")
