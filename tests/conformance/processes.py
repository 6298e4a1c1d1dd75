"""Starts trainings as real processes, stops them at a chosen checkpoint, and reads what they left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 300


def command(task: str, run_dir: Path, *arguments: str, recipe: str = "tiny") -> list[str]:
    return [sys.executable, "-m", "tests.conformance.train_process", task, recipe, str(run_dir), *arguments]


def finish(task: str, run_dir: Path, *arguments: str, recipe: str = "tiny") -> str:
    """Train to the end; returns what it printed on stdout."""
    done = subprocess.run(command(task, run_dir, *arguments, recipe=recipe), cwd=REPOSITORY, capture_output=True,
                          text=True, timeout=DEADLINE_SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def stop_at(task: str, run_dir: Path, epoch: int, number: signal.Signals, *arguments: str) -> int:
    """Train until a checkpoint in the middle of ``epoch`` is on disk, send the signal, return the exit code."""
    process = subprocess.Popen(command(task, run_dir, *arguments), cwd=REPOSITORY, stderr=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + DEADLINE_SECONDS
    try:
        while not in_middle_of(run_dir / "checkpoints", epoch):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline, f"no checkpoint in the middle of epoch {epoch}"
            time.sleep(0.002)
        os.kill(process.pid, number)
        process.wait(timeout=DEADLINE_SECONDS)
    finally:
        process.kill()
        process.stderr.close()
    return process.returncode


def in_middle_of(checkpoints: Path, epoch: int) -> bool:
    if not checkpoints.is_dir():
        return False
    names = [name for name in os.listdir(checkpoints) if not name.endswith(".tmp")]
    return any(int(name[:5]) == epoch and int(name[6:]) > 0 for name in names)


def last_arrays(run_dir: Path) -> list[tuple[str, bytes]]:
    """Name and bytes of every array, final and best, of the newest checkpoint."""
    newest = max(path for path in (run_dir / "checkpoints").iterdir())
    arrays = []
    for file in ("state.npz", "best.npz"):
        with np.load(newest / file) as archive:
            arrays += [(f"{file}/{name}", archive[name].tobytes()) for name in archive.files]
    return arrays
