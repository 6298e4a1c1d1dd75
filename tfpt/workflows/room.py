"""Whether the disk has room for what a training is sure to write, asked before it begins."""

import contextlib
import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfpt.data.sizes import size_text
from tfpt.errors import RunError
from tfpt.run_directory import Run
from tfpt.training.checkpoint import KEPT
from tfpt.workflows.plan import Plan


def check_room(place: Path, plan: Plan, resumed: Run | None, ema_decay: float | None) -> None:
    """RunError if the disk of ``place``, the run's directory or where it will be, has no room for the checkpoints that
    are kept, the one being written, the model and its backbone. What the ``resumed`` run has of these counts.
    """
    folder = next(there for there in (place, *place.absolute().parents) if there.exists())
    disk = shutil.disk_usage(folder)
    optimizers = [optimizer for optimizer, _ in plan.optimizers.values()]
    weights = _size(plan.model.weights)
    snapshot = _size(plan.model.variables) + sum(_size(optimizer.variables) for optimizer in optimizers) + weights
    snapshot += _size(variable for _, trained in plan.optimizers.values() for variable in trained) if ema_decay else 0
    missing = (KEPT + 1) * snapshot + 2 * weights - (_present(resumed) if resumed else 0)
    if disk.total and disk.free < missing:  # some file systems tell no size
        elsewhere = "" if resumed else ", or choose a directory on another disk with --run-dir"
        raise RunError(f"Expected room for at least {size_text(missing)} on the disk of {place}, for checkpoints and "
                       f"the model, but it has {size_text(disk.free)} left. Make room{elsewhere}.")


def _size(variables: Iterable[Any]) -> int:
    return sum(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size for variable in variables)


def _present(run: Run) -> int:
    """Bytes of its checkpoints and models."""
    total = 0
    for path in (*run.checkpoints.glob("*/*"), run.model_file, run.backbone_file):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total
