"""Starts trainings that are to be killed, resumes them, and says in what two finished runs differ."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.conformance.processes import DEADLINE_SECONDS, REPOSITORY
from tfpt.training.checkpoint import ARRAYS, BEST, MANIFEST
from tfpt.workflows.train import train

# On top of each task's tiny recipe, which has dropout, augmentation, accumulation, a freeze boundary and the cache.
COMMON = ("train.early_stopping=9",)
# What a task needs beside it so that every part of its state matters to the numbers that come out.
OF_TASK = {"image_classification": ("model.weights=bundled", "freeze.batch_norm=train", "model.head.units=[32]",
                                    "model.head.l2=0.0001", "augment.randaugment.operations=1", "augment.erasing=0.5",
                                    "loss.focal_gamma=1")}
ADDRESS = re.compile(rb'"shared_object_id": \d+')  # in Keras's config: where an object was in memory
TIMES = ("wall_seconds", "timed_examples")


_measured: dict[str, Path] = {}


def settings_of(task):
    return (*COMMON, *OF_TASK.get(task, ()))


def measure_once(task, folder):
    """How long the layers take decides which of them are cached, and a busy machine measures something else each time:
    as on a machine that has trained the model before, all runs find what was measured for the first.
    """
    if task not in _measured:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TFPT_CACHE", str(folder))
            train(task, recipe=f"{task}/tiny", assignments=settings_of(task), dry_run=True)
        _measured[task] = folder


def started(task, run_dir, *arguments, moment="-", ahead=()):
    """A process that trains, or with ``--resume`` goes on, and kills itself at ``moment``; its prefix cache is its own.

    ``ahead`` is put before the command.
    """
    command = [*ahead, sys.executable, "-m", "tests.faults.killed_process", task, str(run_dir), moment, *arguments]
    if "--resume" not in arguments:
        command += settings_of(task)
        shutil.copytree(_measured[task], f"{run_dir}.cache", dirs_exist_ok=True)
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "TFPT_CACHE": f"{run_dir}.cache"})


def ended(process):
    """Exit code, and what it said."""
    try:
        _, text = process.communicate(timeout=DEADLINE_SECONDS)
    finally:
        process.kill()
    return process.returncode, text


def finished(task, run_dir, *arguments):
    """Train to the end; returns what it said."""
    code, text = ended(started(task, run_dir, *arguments))
    assert code == 0, text
    return text


def differences(one, other):
    """Names of what is not the same, byte for byte, in two finished runs."""
    first, second = outcome(one), outcome(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def outcome(run):
    """Name and bytes, or JSON value, of everything that has to be the same."""
    found = {name: (run / name).read_bytes() for name in ("metrics.jsonl", "labels.txt", "backbone.json")}
    for name in ("model.keras", "backbone.keras"):
        with zipfile.ZipFile(run / name) as archive:
            found |= {f"{name}/{part}": ADDRESS.sub(b"", archive.read(part)) for part in archive.namelist()
                      if part != "metadata.json"}  # the time when it was saved
    scores = json.loads((run / "evaluation" / "test.json").read_text())
    found |= {f"evaluation/{name}": value for name, value in scores.items() if name not in ("run", "where")}
    record = json.loads((run / "run.json").read_text())
    found |= {f"run.json/{name}": record[name] for name in ("status", "metrics", "best_epoch", "phases", "recoveries")}
    found |= {f"run.json/cache/{name}": record["cache"][name] for name in ("cuts", "phases", "where", "kept")}
    return found | last_state(run / "checkpoints")


def last_state(checkpoints):
    """Every array of the newest checkpoint by its variable's path, those of the best weights, and the loop's state."""
    newest = max(checkpoints.iterdir())
    manifest = json.loads((newest / MANIFEST).read_text())
    with np.load(newest / ARRAYS) as arrays, np.load(newest / BEST) as best:
        assert len(manifest["arrays"]) == len(arrays.files)
        found = {f"{number} {about['path']}": arrays[f"arr_{number}"].tobytes()
                 for number, about in enumerate(manifest["arrays"])}
        found |= {f"best {name}": best[name].tobytes() for name in best.files}
    return found | {f"state/{name}": value for name, value in manifest["state"].items() if name not in TIMES}
