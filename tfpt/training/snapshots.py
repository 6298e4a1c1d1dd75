"""A training's moment as a checkpoint holds it: taken, found again, put back."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from tfpt.config.writing import leaf_settings
from tfpt.errors import RunError
from tfpt.training import checkpoint
from tfpt.training.job import Job, LoopState, all_variables
from tfpt.training.stored_state import check_state

MAY_DIFFER = ("train.epochs", "train.checkpoint_seconds", "data.memory_mb", "data.data_dir", "cache.max_gb",
              "tensorboard.pictures", "tensorboard.histograms")
"""Settings that change nothing of what was computed so far."""


def save_snapshot(job: Job, state: LoopState, best_weights: Sequence[np.ndarray]) -> None:
    """Write a checkpoint of this moment. RunError: it can't be written; earlier ones are intact."""
    variables = all_variables(job)
    with job.average.put_back() if job.average else nullcontext():
        arrays = [variable.numpy() for variable in variables]
    snapshot = checkpoint.Snapshot(dataclasses.asdict(state), arrays, best_weights, leaf_settings(job.config))
    checkpoint.save(job.checkpoints, snapshot, checkpoint.describe(variables))


def newest_snapshot(job: Job, before_epoch: int | None = None) -> checkpoint.Snapshot | None:
    """That of the newest whole checkpoint, with a line on the screen for each that was passed over.

    With ``before_epoch``: of those from before that epoch's first update. None: there is none.

    Raises:
        CheckFailed: none is whole.
        RunError: it is of another model, of another config, or no training has written it.
    """
    found = checkpoint.load_newest(job.checkpoints, checkpoint.describe(all_variables(job)), before_epoch)
    if found is None:
        return None
    snapshot, problems = found
    for problem in problems:
        job.screen.line("resume", f"{problem}; an older one is used")
    check_state(snapshot.state, f"the newest checkpoint in {job.checkpoints}", job.task.totals)
    _check_same_config(job, snapshot.config)
    if snapshot.best and [best.shape for best in snapshot.best] != [tuple(each.shape) for each in job.model.weights]:
        raise RunError(f"The newest checkpoint in {job.checkpoints} should hold the best weights of this model, but "
                       "holds others: something other than tfpt wrote it. Remove it, so that an older one is taken, "
                       "or start a new run.")
    return snapshot


def put_back(job: Job, snapshot: checkpoint.Snapshot) -> None:
    """Every variable as it was."""
    for variable, array in zip(all_variables(job), snapshot.arrays, strict=True):
        variable.assign(array)


def _check_same_config(job: Job, before: Mapping[str, Any]) -> None:
    """RunError if the checkpoint was written under another config than the run's: it is of another run, or config.yaml
    was changed. Settings that came with a newer tfpt, and the place of the data, whose contents are compared, may.
    """
    now, run = json.loads(json.dumps(leaf_settings(job.config))), job.checkpoints.parent
    changed = [f"{name}: {value} in the checkpoint, {now[name]} in config.yaml" for name, value in before.items()
               if name not in (*MAY_DIFFER, "data.path") and name in now and now[name] != value]
    if changed:
        raise RunError(f"The newest checkpoint in {job.checkpoints} was written under another config than that of "
                       f"{run}: {'; '.join(changed)}. Bring back the config, remove that checkpoint if it is of "
                       "another run, or start a new run.")
