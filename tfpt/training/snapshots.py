"""A training's moment as a checkpoint holds it, taken and put back."""

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np

from tfpt.config.writing import leaf_settings
from tfpt.training import checkpoint
from tfpt.training.job import Job, LoopState, all_variables


def save_snapshot(job: Job, state: LoopState, best_weights: Sequence[np.ndarray]) -> None:
    """Write a checkpoint of this moment. RunError: it can't be written; earlier ones are intact."""
    variables = all_variables(job)
    with job.average.put_back() if job.average else nullcontext():
        arrays = [variable.numpy() for variable in variables]
    snapshot = checkpoint.Snapshot(dataclasses.asdict(state), arrays, best_weights, leaf_settings(job.config))
    checkpoint.save(job.checkpoints, snapshot, checkpoint.describe(variables))


def put_back(job: Job, snapshot: checkpoint.Snapshot) -> None:
    """Every variable as it was."""
    for variable, array in zip(all_variables(job), snapshot.arrays, strict=True):
        variable.assign(array)
