"""What a training is given, and what it must remember."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from tfpt.task import Splits, Task, Unit
from tfpt.training.freezing import Phase
from tfpt.training.prefix_cache.cache import PrefixCache
from tfpt.training.prefix_cache.plan import CachePlan
from tfpt.training.programs import Programs
from tfpt.training.screen import Screen
from tfpt.training.weight_average import WeightAverage


@dataclass(frozen=True)
class Shared:
    """What trainings of one model have together: traced steps, and the open prefix cache (None: it is off).

    ``key`` names all that a traced step has as a constant, frozen weights and the phase apart.
    """

    programs: Programs
    cache: PrefixCache | None
    key: Hashable


@dataclass(frozen=True)
class Job:
    """All that a training needs, settled before it begins. ``stop_signal()`` gives a received signal's number."""

    task: Task
    config: Any
    splits: Splits
    model: keras.Model
    units: Sequence[Unit]
    phases: Sequence[Phase]
    optimizers: Mapping[str, tuple[Any, list[Any]]]
    steps_per_epoch: int
    checkpoints: Path
    metrics_file: Path
    tensorboard: Path
    callbacks: Sequence[keras.callbacks.Callback]
    screen: Screen
    stop_signal: Callable[[], int | None]
    cache_plan: CachePlan = CachePlan()
    shared: "Shared | None" = None
    average: WeightAverage | None = None

    @property
    def recovers(self) -> bool:
        """Whether an epoch that goes wrong is begun again. A search's trial fails: that is what it tells of its values.
        """
        return self.shared is None


@dataclass
class LoopState:
    """Where the loop is: ``step`` updates of ``epoch`` (from 1) are done. JSON-able; kept in every checkpoint."""

    epoch: int = 1
    step: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None
    phase_digests: list[str] = field(default_factory=list)
    phase_updates: int = 0
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    stopped_early: bool = False
    widened: list[int] = field(default_factory=list)
    """Cuts of the prefix cache whose rows had to become float32."""
    wall_seconds: dict[str, float] = field(
        default_factory=lambda: {"prefix": 0.0, "trace": 0.0, "train": 0.0, "validation": 0.0})
    timed_examples: int = 0
    """Training examples in ``wall_seconds["train"]``; traced calls count under ``trace``."""
    stopping: bool = False
    """Whether a callback has asked, in the middle of the epoch, to stop."""
    recoveries: list[dict[str, Any]] = field(default_factory=list)
    """The journal of what went wrong, and what each time was decided from the beginning of an epoch on."""


def steps_per_epoch(task: Task, config: Any, splits: Splits) -> int:
    """Optimizer updates in an epoch."""
    if task.reusable is None:
        return int(task.train_batches(config, splits.train, 1, 0).cardinality())
    return math.ceil(len(splits.train) / task.reusable.update_size(config))  # without opening a pipeline


def all_variables(job: Job) -> list[Any]:
    """Everything a checkpoint holds: the variables of the model (dropout's seeds among them), of the optimizers, and
    the averages.
    """
    optimizer_variables = [variable for optimizer, _ in job.optimizers.values() for variable in optimizer.variables]
    return [*job.model.variables, *optimizer_variables, *(job.average.variables if job.average else ())]


def make_average(config: Any, optimizers: Mapping[str, tuple[Any, list[Any]]]) -> WeightAverage | None:
    """The average that ``train.ema_decay`` asks for, of all that the optimizers ever train."""
    if config.train.ema_decay is None:
        return None
    return WeightAverage([variable for _, variables in optimizers.values() for variable in variables],
                         config.train.ema_decay)


def applied_updates(job: Job) -> int:
    """Loss scaling skips those with infinite gradients."""
    return sum(int(optimizer.iterations) for optimizer, _ in job.optimizers.values())
