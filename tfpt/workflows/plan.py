"""What a training will do, settled and shown before it begins: model, freeze schedule, optimizers, steps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfpt.task import Splits, Task, Unit
from tfpt.training.freezing import Phase, apply_phase, ever_trainable, plan_phases
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


def make_plan(task: Task, config: Any, splits: Splits) -> Plan:
    """Build the model with random weights, lay the phases over the epochs, build the optimizers."""
    keras.utils.set_random_seed(config.train.seed)  # whatever drew random numbers before must not shift the weights
    model = task.build(config, splits.metadata)
    units = task.units(model)
    phases = plan_phases(config.freeze, config.train.epochs, units)
    steps_per_epoch = int(task.train_batches(config, splits.train, 1, 0).cardinality())
    optimizers = task.optimizers(config, model, ever_trainable(model, units, phases), steps_per_epoch)
    first_optimizer = next(iter(optimizers.values()))[0]
    model.compile(optimizer=first_optimizer, auto_scale_loss=False)  # Keras callbacks look for model.optimizer
    parameters = [_trainable_parameters(model, units, phase) for phase in phases]
    return Plan(model, units, phases, parameters, optimizers, steps_per_epoch)


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
    screen.line("watch", f"tensorboard --logdir {tensorboard_root}")
    screen.blank()


def _phase_columns(config: Any, plan: Plan, phase: Phase, parameters: int) -> tuple[str, str, str, str]:
    last = "" if phase.to_epoch == phase.from_epoch else f"–{phase.to_epoch}"
    epochs = f"epoch{'s' if last else ''} {phase.from_epoch}{last}"
    if phase.unfrozen == 0:
        what = "head only"
    elif phase.unfrozen == len(plan.units):
        what = "everything" + ("" if phase.batch_norm_trains else ", BatchNormalization frozen")
    else:
        what = f"+ last {phase.unfrozen} of {len(plan.units)} layers"
    rate = config.optimizer.learning_rate
    rates = f"head {rate * phase.head_rate:.3g}"
    if phase.unfrozen:
        rates += f", backbone {rate * phase.backbone_rate:.3g}"
        rates += f" falling by {config.freeze.rate_decay:g} a layer" if config.freeze.rate_decay != 1 else ""
    return epochs, what, f"{parameters:,} trainable", rates


def _optimizer_text(config: Any, plan: Plan) -> str:
    train, optimizer = config.train, config.optimizer
    update = f"batch {train.batch_size}"
    if train.accumulation_steps > 1:
        update += f" × {train.accumulation_steps} accumulated"
    warmup = f" after {optimizer.warmup_epochs:g} epochs of warm-up" if optimizer.warmup_epochs else ""
    precision = "" if train.precision == "float32" else f" · {train.precision}"
    return (f"{optimizer.name} · {optimizer.schedule} learning rate{warmup} · {update} · "
            f"{plan.steps_per_epoch:,} updates an epoch{precision}")
