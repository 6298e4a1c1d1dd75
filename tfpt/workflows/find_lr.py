"""Find a learning rate: train a little with a rising one, on a model that is thrown away."""

import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tfpt import runtime
from tfpt.config.shared import AUTO
from tfpt.errors import Interrupted, TrainingFailed, UsageError
from tfpt.registry import get_task
from tfpt.task import Splits, Task
from tfpt.training.job import Job
from tfpt.training.rate_range import RangeTest, range_test, suggested_rate
from tfpt.training.screen import Screen
from tfpt.workflows.plan import make_plan
from tfpt.workflows.reading import read_data
from tfpt.workflows.resume import settle_config

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 100
FEWEST_STEPS = 20


@dataclass(frozen=True)
class FoundRate:
    """What the test came to; ``suggestion`` is None where the loss never fell for long."""

    suggestion: float | None
    phase: int
    test: RangeTest

    def record(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def find_lr(task_name: str, *, recipe: str | None = None, settings: Mapping[str, Any] | None = None,
            assignments: Sequence[str] = (), phase: int = 1, lowest: float = LOWEST, highest: float = HIGHEST,
            steps: int = STEPS, quiet: bool = False) -> FoundRate:
    """The learning-rate range test (after Smith 2017) of a training from a recipe, ``settings`` and ``assignments``.

    ``phase`` of the freeze schedule, counted from 1, says what trains. Writes nothing but the prefix cache.

    Raises:
        UsageError: config, data, weights or what is to be tested won't do.
        TrainingFailed: the memory is too small.
        Interrupted: a signal came.
    """
    if not 0 < lowest < highest < math.inf:
        raise UsageError(f"Expected to raise the rate from above 0, but found {lowest:g} to {highest:g}. --from has to "
                         "be below --to.")
    if steps < FEWEST_STEPS:
        raise UsageError(f"{steps} updates show nothing: --steps takes {FEWEST_STEPS} or more.")
    task, screen = get_task(task_name), Screen(quiet=quiet)
    config = settle_config(task, None, recipe, settings or {}, assignments)
    runtime.configure(config.train.seed, config.train.precision)
    return tested(task, config, read_data(task, config, screen), screen, phase, lowest, highest, steps)


def found_rate(task: Task, config: Any, splits: Splits, screen: Screen) -> tuple[Any, float]:
    """``config``, with what the test of its first phase suggests if its learning rate is ``auto``; the wall seconds.

    Raises:
        TrainingFailed: it suggests none.
    """
    if config.optimizer.learning_rate != AUTO:
        return config, 0.0
    began = time.monotonic()
    found = tested(task, config, splits, screen, 1, LOWEST, HIGHEST, STEPS)
    if found.suggestion is None:
        raise TrainingFailed(f"No learning rate between {LOWEST:g} and {HIGHEST:g} made the loss fall for long, so "
                             "--learning-rate auto has none to take. Look at it with tfpt find-lr, and give a number.")
    screen.line("rate", f"{found.suggestion:.2g}, found in {len(found.test.rates)} updates")
    return with_rate(config, float(f"{found.suggestion:.2g}")), time.monotonic() - began


def tested(task: Task, config: Any, splits: Splits, screen: Screen, phase: int, lowest: float, highest: float,
           steps: int) -> FoundRate:
    """Build the model, and test it."""
    plan = make_plan(task, config, splits)
    if not 1 <= phase <= len(plan.phases):
        raise UsageError(f"--phase {phase}: the freeze schedule has the phases 1 to {len(plan.phases)}.")
    task.load_weights(config, plan.model)
    with tempfile.TemporaryDirectory() as unused, runtime.StopSignals() as signals:
        def stop_signal() -> int | None:
            return signals.received

        job = Job(task, config, splits, plan.model, plan.units, plan.phases, plan.optimizers, plan.steps_per_epoch,
                  Path(unused), Path(unused), Path(unused), (), screen, stop_signal, plan.cache)
        test = range_test(job, plan.phases[phase - 1].from_epoch, lowest, highest, steps)
    if signals.received is not None:
        raise Interrupted("Stopped in the range test: nothing is left of it.", 128 + signals.received)
    return FoundRate(suggested_rate(test), phase, test)


def with_rate(config: Any, rate: float) -> Any:
    """``config`` with another learning rate."""
    return replace(config, optimizer=replace(config.optimizer, learning_rate=rate))
