"""Freezing as data: an ordered list of phases, each saying which units train and at what rate.

Units are counted from the output: ``unfreeze: 10`` trains the last ten units and the head. Everything that is in
no unit and stands behind one is the head, which always trains.
"""

import difflib
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfpt.config.shared import FreezeConfig, PhaseConfig
from tfpt.errors import CheckFailed, ConfigError
from tfpt.task import Unit


@dataclass(frozen=True)
class Phase:
    """Epochs ``from_epoch`` to ``to_epoch`` (both counted from 1, inclusive) train the last ``unfrozen`` units."""

    from_epoch: int
    to_epoch: int
    unfrozen: int
    head_rate: float
    backbone_rate: float
    batch_norm_trains: bool
    batch_norm_momentum: float = 0.99


def plan_phases(freeze: FreezeConfig, epochs: int, units: Sequence[Unit]) -> tuple[Phase, ...]:
    """The schedule over ``epochs``, each epoch in exactly one phase.

    Raises:
        ConfigError: an unknown block, more units than there are, or a phase that is never reached.
    """
    steps = _phase_configs(freeze, epochs)
    if steps[0].from_epoch != 1:
        raise ConfigError(f"The first freeze phase has to begin at epoch 1, found from_epoch: {steps[0].from_epoch}.")
    starts = [step.from_epoch for step in steps]
    if starts != sorted(set(starts)):
        raise ConfigError(f"freeze.phases need rising from_epoch values, found {starts}.")
    if starts[-1] > epochs:
        raise ConfigError(f"The freeze phase from epoch {starts[-1]} would never be reached in {epochs} epochs: "
                          "raise train.epochs, or lower freeze.head_epochs or that phase's from_epoch.")
    ends = [start - 1 for start in starts[1:]] + [epochs]
    return tuple(_phase(step, end, freeze, units) for step, end in zip(steps, ends))


def _phase_configs(freeze: FreezeConfig, epochs: int) -> tuple[PhaseConfig, ...]:
    if freeze.phases is not None:
        if not freeze.phases:
            raise ConfigError("freeze.phases is empty: give at least one phase, or null.")
        if freeze.unfreeze is not None:
            raise ConfigError(f"freeze.phases and freeze.unfreeze: {freeze.unfreeze} both say what trains; give one of "
                              "them (--set freeze.phases=null takes a recipe's phases away).")
        return freeze.phases
    if freeze.unfreeze is None or freeze.head_epochs is None:
        raise ValueError("freeze.unfreeze and freeze.head_epochs have to be resolved before phases are planned")
    only_phase = freeze.unfreeze in (0, "scratch") or freeze.head_epochs == 0
    if only_phase:
        return (PhaseConfig(from_epoch=1, unfreeze=freeze.unfreeze),)
    return (PhaseConfig(from_epoch=1, unfreeze=0),
            PhaseConfig(from_epoch=freeze.head_epochs + 1, unfreeze=freeze.unfreeze))


def _phase(step: PhaseConfig, to_epoch: int, freeze: FreezeConfig, units: Sequence[Unit]) -> Phase:
    scratch = step.unfreeze == "scratch"
    backbone_rate = step.backbone_rate or freeze.backbone_rate
    return Phase(step.from_epoch, to_epoch, count_unfrozen(step.unfreeze, units), step.head_rate,
                 backbone_rate=1.0 if scratch else backbone_rate,
                 batch_norm_trains=scratch or freeze.batch_norm == "train",
                 batch_norm_momentum=freeze.batch_norm_momentum)


def count_unfrozen(unfreeze: int | str, units: Sequence[Unit]) -> int:
    """How many units, from the output, ``unfreeze`` names: a count, a unit's or block's name, all or scratch."""
    if isinstance(unfreeze, int):
        if not 0 <= unfreeze <= len(units):
            raise ConfigError(f"freeze.unfreeze takes 0 to {len(units)}, the number of units of this model, "
                              f"found {unfreeze}. Use all to train every one.")
        return unfreeze
    if unfreeze in ("all", "scratch"):
        return len(units)
    names = [unit.name for unit in units]
    for index, name in enumerate(names):
        if name == unfreeze or name.startswith(unfreeze + "_"):
            return len(units) - index
    near = difflib.get_close_matches(unfreeze, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ConfigError(f"freeze.unfreeze names {unfreeze!r}, but no unit of this model is called so or begins "
                      f"so.{hint} It takes a number, a block's name, all or scratch.")


def head_layers(model: keras.Model, units: Sequence[Unit]) -> list[keras.Layer]:
    """Layers that are in no unit and have weights or stand behind the units: what always trains."""
    in_units = {id(layer) for unit in units for layer in unit.layers}
    last = max((index for index, layer in enumerate(model.layers) if id(layer) in in_units), default=-1)
    return [layer for index, layer in enumerate(model.layers)
            if id(layer) not in in_units and (index > last or layer.weights)]


def apply_phase(model: keras.Model, units: Sequence[Unit], phase: Phase) -> list[keras.Layer]:
    """Set ``trainable`` on every layer; return the layers that train (their frozen BatchNormalization left out).

    BatchNormalization is frozen through ``trainable``, which also stops its moving statistics, whatever the
    ``training`` argument says (keras-team/keras#20285).
    """
    active = units[len(units) - phase.unfrozen:]
    training = head_layers(model, units) + [layer for unit in active for layer in unit.layers]
    chosen = {id(layer) for layer in training
              if phase.batch_norm_trains or not _is_backbone_batch_norm(layer, active)}
    for layer in model.layers:
        layer.trainable = id(layer) in chosen
        if layer.trainable and isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = phase.batch_norm_momentum
    return [layer for layer in training if id(layer) in chosen]


def _is_backbone_batch_norm(layer: keras.Layer, units: Sequence[Unit]) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization) and any(layer in unit.layers for unit in units)


def ever_trainable(model: keras.Model, units: Sequence[Unit], phases: Sequence[Phase]) -> list[Any]:
    """Variables that any phase trains, in the model's order: the optimizer has to be built on all of them."""
    chosen = set()
    for phase in phases:
        apply_phase(model, units, phase)
        chosen |= {id(variable) for variable in model.trainable_variables}
    return [variable for variable in model.weights if id(variable) in chosen]


def rate_multipliers(model: keras.Model, units: Sequence[Unit], phase: Phase, rate_decay: float) -> dict[int, float]:
    """Learning-rate multiplier by ``id(variable)``: the head's, and per unit ``backbone_rate * rate_decay**depth``.

    ``depth`` is 0 for the unit next to the head (discriminative fine-tuning, Howard & Ruder 2018, section 3.2).
    """
    multipliers = {id(variable): phase.head_rate for layer in head_layers(model, units) for variable in layer.weights}
    for depth, unit in enumerate(reversed(units)):
        rate = phase.backbone_rate * rate_decay ** depth
        multipliers.update({id(variable): rate for layer in unit.layers for variable in layer.weights})
    return multipliers


def schedule_point(model: keras.Model, phase: Phase, rate: float, rate_decay: float) -> dict[str, float]:
    """Learning rates by group where the optimizer's is ``rate``, and how many parameters train."""
    backbone = rate * phase.backbone_rate if phase.unfrozen else 0.0
    point = {"learning_rate/head": rate * phase.head_rate, "learning_rate/backbone": backbone}
    if rate_decay != 1:
        point["learning_rate/deepest_unit"] = backbone * rate_decay ** max(phase.unfrozen - 1, 0)
    parameters = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    return {**point, "trainable_parameters": float(parameters)}


def trainable_weights(model: keras.Model, units: Sequence[Unit]) -> dict[str, np.ndarray]:
    """What trains now, by unit, layer and name: ``block_16_project/kernel``."""
    unit_names = {id(variable): unit.name for unit in units for layer in unit.layers for variable in layer.variables}
    return {_within(unit_names.get(id(variable), ""), variable.path): variable.numpy()
            for variable in model.trainable_variables}


def _within(unit: str, path: str) -> str:
    return path if not unit or path.startswith(f"{unit}/") else f"{unit}/{path}"


def weight_digests(model: keras.Model) -> list[str]:
    """sha256 of every weight, in the order of ``model.weights``."""
    return [hashlib.sha256(np.ascontiguousarray(weight.numpy()).tobytes()).hexdigest() for weight in model.weights]


def frozen_digest(model: keras.Model) -> str:
    """sha256 over the weights of the layers that are frozen in the present phase."""
    digest = hashlib.sha256()
    for weight in (weight for layer in model.layers if not layer.trainable for weight in layer.weights):
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()


def check_trainability(model: keras.Model, digests_before: Sequence[str], updated: bool = True) -> None:
    """What is frozen must not have moved since ``digests_before``, and every trainable weight must have.

    Moving statistics of a BatchNormalization that trains are neither. Without ``updated`` (loss scaling skipped
    every update) nothing need have moved.

    Raises:
        CheckFailed: names the weights.
    """
    trainable = {id(variable) for variable in model.trainable_variables}
    statistics = {id(variable) for layer in model.layers if layer.trainable for variable in layer.weights} - trainable
    moved, stuck = [], []
    for weight, before, after in zip(model.weights, digests_before, weight_digests(model), strict=True):
        if updated and id(weight) in trainable and before == after:
            stuck.append(weight.path)
        elif id(weight) not in trainable | statistics and before != after:
            moved.append(weight.path)
    problems: Mapping[str, list[str]] = {"frozen, yet changed": moved, "trainable, yet unchanged": stuck}
    found = [f"{what}: {', '.join(names[:5])}{' …' if len(names) > 5 else ''} ({len(names)} of {len(model.weights)})"
             for what, names in problems.items() if names]
    if found:
        raise CheckFailed("The trainability check failed at the end of a freeze phase: " + "; ".join(found) + ". "
                          "An unchanged weight can also mean a learning rate too small to move it, or a dead layer.")
