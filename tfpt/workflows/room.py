"""Whether the disk has room for what a training is sure to write, asked before it begins."""

import math
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfpt.data.sizes import size_text
from tfpt.errors import RunError
from tfpt.training.checkpoint import KEPT
from tfpt.workflows.plan import Plan


def check_room(place: Path, plan: Plan) -> None:
    """RunError if the disk of ``place``, the run's directory or where it will be, has no room for the checkpoints that
    are kept, the one being written, the model and its backbone. What a run that is resumed has already counts.
    """
    folder = next(there for there in (place, *place.absolute().parents) if there.exists())
    disk = shutil.disk_usage(folder)
    optimizers = [optimizer for optimizer, _ in plan.optimizers.values()]
    weights = _size(plan.model.weights)
    snapshot = _size(plan.model.variables) + sum(_size(optimizer.variables) for optimizer in optimizers) + weights
    missing = (KEPT + 1) * snapshot + 2 * weights - _present(place)
    if disk.total and disk.free < missing:  # some file systems tell no size
        raise RunError(f"Expected room for at least {size_text(missing)} on the disk of {place}, for checkpoints and "
                       f"the model, but it has {size_text(disk.free)} left. Make room, or choose a directory on "
                       "another disk with --run-dir.")


def _size(variables: Iterable[Any]) -> int:
    return sum(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size for variable in variables)


def _present(run: Path) -> int:
    """Bytes of all files in the run's directory."""
    return sum(os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(run) for name in names)
