"""What a training will do, settled and shown before it begins: model, freeze schedule, optimizers, steps."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfpt.config.shared import AUTO
from tfpt.data.sizes import size_text
from tfpt.evaluation.phase_texts import epochs_text, unfrozen_text
from tfpt.task import Splits, Task, Unit
from tfpt.training.freezing import Phase, apply_phase, ever_trainable, plan_phases
from tfpt.training.job import Job, steps_per_epoch
from tfpt.training.prefix_cache.plan import DTYPE_BYTES, CachePlan, plan_cache
from tfpt.training.prefix_cache.workload import cache_workload
from tfpt.training.screen import Screen


@dataclass(frozen=True)
class Plan:
    """A built model with its schedule. ``optimizers`` are built on every variable that any phase trains."""

    model: keras.Model
    units: Sequence[Unit]
    phases: Sequence[Phase]
    trainable_parameters: Sequence[int]
    optimizers: Mapping[str, tuple[Any, list[Any]]]
    steps_per_epoch: int
    cache: CachePlan


def make_plan(task: Task, config: Any, splits: Splits, cache_record: Mapping[str, Any] | None = None) -> Plan:
    """Build the model with random weights, lay the phases over the epochs, build the optimizers, plan the cache.

    ``cache_record`` is the cache's plan of the run that is resumed, as its run.json has it.
    """
    keras.utils.set_random_seed(config.train.seed)  # whatever drew random numbers before must not shift the weights
    model = task.build(config, splits.metadata)
    units = task.units(model)
    phases = plan_phases(config.freeze, config.train.epochs, units)
    steps = steps_per_epoch(task, config, splits)
    optimizers = task.optimizers(config, model, ever_trainable(model, units, phases), steps)
    first_optimizer = next(iter(optimizers.values()))[0]
    model.compile(optimizer=first_optimizer, auto_scale_loss=False)  # Keras callbacks look for model.optimizer
    parameters = [_trainable_parameters(model, units, phase) for phase in phases]
    cache = (CachePlan.from_record(cache_record, len(phases)) if cache_record
             else _plan_cache(task, config, splits, model, units, phases))
    return Plan(model, units, phases, parameters, optimizers, steps, cache)


def plan_of(job: Job) -> Plan:
    """The plan that ``job`` carries out."""
    parameters = [_trainable_parameters(job.model, job.units, phase) for phase in job.phases]
    return Plan(job.model, job.units, job.phases, parameters, job.optimizers, job.steps_per_epoch, job.cache_plan)


def _plan_cache(task: Task, config: Any, splits: Splits, model: keras.Model, units: Sequence[Unit],
                phases: Sequence[Phase]) -> CachePlan:
    workload = cache_workload(task, config, splits)
    if isinstance(workload, str):
        return CachePlan(phases=(None,) * len(phases), why=workload)
    return plan_cache(config.cache, workload, model, units, phases)


def _trainable_parameters(model: keras.Model, units: Sequence[Unit], phase: Phase) -> int:
    apply_phase(model, units, phase)
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def phase_records(plan: Plan) -> list[dict[str, Any]]:
    """The schedule as run.json keeps it."""
    return [{"from_epoch": phase.from_epoch, "to_epoch": phase.to_epoch, "unfreeze": phase.unfrozen,
             "units": len(plan.units), "head_rate": phase.head_rate, "backbone_rate": phase.backbone_rate,
             "batch_norm": "train" if phase.batch_norm_trains else "frozen", "trainable_parameters": parameters}
            for phase, parameters in zip(plan.phases, plan.trainable_parameters)]


def show_plan(screen: Screen, task: Task, config: Any, splits: Splits, plan: Plan, tensorboard_root: str) -> None:
    """The lines that a user reads before anything long starts."""
    screen.line("data", splits.summary)
    screen.line("model", task.describe(config, plan.model, splits.metadata))
    rows = [_phase_columns(config, plan, phase, parameters)
            for phase, parameters in zip(plan.phases, plan.trainable_parameters)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for index, (epochs, what, parameters, rates) in enumerate(rows):
        screen.line("" if index else "schedule",
                    f"{epochs:<{widths[0]}}   {what:<{widths[1]}}   {parameters:>{widths[2]}}   {rates}")
    screen.line("optimizer", _optimizer_text(config, plan))
    for index, text in enumerate(_cache_texts(plan, len(splits.train), len(splits.validation))):
        screen.line("" if index else "cache", text)
    screen.line("watch", f"tensorboard --logdir {shlex.quote(tensorboard_root)}")
    screen.blank()


def _phase_columns(config: Any, plan: Plan, phase: Phase, parameters: int) -> tuple[str, str, str, str]:
    epochs = epochs_text(phase.from_epoch, phase.to_epoch)
    what = unfrozen_text(phase.unfrozen, len(plan.units), phase.batch_norm_trains)
    rates = f"head {_rate_text(config, phase.head_rate)}"
    if phase.unfrozen:
        rates += f", backbone {_rate_text(config, phase.backbone_rate)}"
        rates += f" falling by {config.freeze.rate_decay:g} a layer" if config.freeze.rate_decay != 1 else ""
    return epochs, what, f"{parameters:,} trainable", rates


def _rate_text(config: Any, multiplier: float) -> str:
    rate = config.optimizer.learning_rate
    return f"{rate * multiplier:.3g}" if rate != AUTO else AUTO if multiplier == 1 else f"{AUTO} × {multiplier:.3g}"


def _cache_texts(plan: Plan, train_examples: int, validation_examples: int) -> list[str]:
    """A line for each cut: ``epochs 4–10: cut after block_15_add · 16 kB × (842 × 2 views + 181) = 29 MB …``."""
    cache = plan.cache
    if not cache.cuts:
        return [f"none: {cache.why}"]
    views = (cache.rows - validation_examples) // train_examples
    rows = f"{cache.rows:,}" if views == 1 else f"({train_examples:,} × {views} views + {validation_examples:,})"
    lines = []
    for number in dict.fromkeys(used for used in cache.phases if used is not None):
        cut = cache.cuts[number]
        phases = [phase for phase, used in zip(plan.phases, cache.phases, strict=True) if used == number]
        size = cut.values * DTYPE_BYTES[cache.dtype]
        epochs = "" if len(plan.phases) == 1 else f"{epochs_text(phases[0].from_epoch, phases[-1].to_epoch)}: "
        lines.append(f"{epochs}cut after {cut.name} · {size_text(size)} × {rows} = "
                     f"{size_text(size * cache.rows)} {_where(cache)} · {cut.saved:.0%} of the forward work saved")
    return lines


def _where(cache: CachePlan) -> str:
    return "on disk" if cache.where == "disk" else "in memory" + (" and on disk" if cache.kept else "")


def _optimizer_text(config: Any, plan: Plan) -> str:
    train, optimizer = config.train, config.optimizer
    update = f"batch {train.batch_size}"
    if train.accumulation_steps > 1:
        update += f" × {train.accumulation_steps} accumulated"
    warmup = f" after {optimizer.warmup_epochs:g} epochs of warm-up" if optimizer.warmup_epochs else ""
    precision = "" if train.precision == "float32" else f" · {train.precision}"
    average = "" if train.ema_decay is None else f" · weights averaged, decay {train.ema_decay:g}"
    return (f"{optimizer.name} · {optimizer.schedule} learning rate{warmup} · {update} · "
            f"{plan.steps_per_epoch:,} updates an epoch{precision}{average}")
