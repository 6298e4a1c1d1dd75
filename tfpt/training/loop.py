"""The training loop: epochs, phases, validation, checkpoints, callbacks. Steps own the mathematics.

Everything that decides what comes next is in ``LoopState``, in variables, or a pure function of config: a loop that
is killed and resumed from any checkpoint computes what it would have computed, bit for bit.
"""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpt.atomic_files import atomic_write_text
from tfpt.errors import Interrupted, TrainingFailed
from tfpt.task import Splits, StepContext, Task, Unit
from tfpt.training import checkpoint
from tfpt.training.callbacks import TensorBoardScalars, callback_list, callback_state, restore_callback_state
from tfpt.training.freezing import Phase, apply_phase, check_trainability, rate_multipliers, weight_digests
from tfpt.training.graph_split import forward_for_training
from tfpt.training.optimizers import present_rate, set_rate_multipliers
from tfpt.training.screen import Screen, epoch_text, measures
from tfpt.training.steps import many_steps, zero_totals

CALL_SECONDS = 1.0
"""About how long one call of many steps runs: a signal is answered after it."""


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
    wall_seconds: dict[str, float] = field(default_factory=lambda: {"trace": 0.0, "train": 0.0, "validation": 0.0})
    timed_examples: int = 0
    """Training examples in ``wall_seconds["train"]``; traced calls count under ``trace``."""


class Loop:
    """Trains ``job.model`` in place from ``state`` on. ``best_weights`` are those of the best epoch so far."""

    def __init__(self, job: Job, state: LoopState | None = None, best_weights: Sequence[np.ndarray] = ()):
        self.job, self.state = job, state or LoopState()
        self.best_weights = list(best_weights)
        self._entered: Phase | None = None
        self._train_call: Any = None
        self._eval_call: Any = None
        self._step_seconds: dict[str, float] = {}
        self._saved_at = time.monotonic()
        self._first_rate = 0.0
        self._fresh_callbacks: list[dict[str, Any]] = []
        self._seconds_before = sum(self.state.wall_seconds.values())
        self._callbacks = callback_list(
            job.model, job.callbacks, early_stopping=job.config.train.early_stopping,
            from_epoch=job.phases[-1].from_epoch, tensorboard=TensorBoardScalars(job.tensorboard, self._schedule_point),
            epochs=job.config.train.epochs, steps=job.steps_per_epoch)

    def run(self) -> LoopState:
        """Train to the last epoch, or until a callback stops it.

        Raises:
            Interrupted: a signal came; the state is saved.
            TrainingFailed: the loss is not finite.
            CheckFailed: the trainability check found a difference at the end of a phase.
        """
        state = self.state
        self.job.model.stop_training = False
        self._write_history()
        self._callbacks.on_train_begin()
        self._fresh_callbacks = restore_callback_state(self._callbacks, state.callbacks)
        while state.epoch <= self.job.config.train.epochs and not state.stopped_early:
            self._enter_phase()
            self._callbacks.on_epoch_begin(state.epoch - 1)
            began = time.monotonic()
            training = self._train_epoch()
            train_seconds = time.monotonic() - began
            validation = self._validate()
            self._close_epoch(training, validation, train_seconds, time.monotonic() - began)
        self._callbacks.on_train_end()
        return state

    def _phase(self) -> Phase:
        epoch = self.state.epoch
        return next(phase for phase in self.job.phases if phase.from_epoch <= epoch <= phase.to_epoch)

    def _enter_phase(self) -> None:
        job, state, phase = self.job, self.state, self._phase()
        if phase is self._entered:
            return
        layers = apply_phase(job.model, job.units, phase)
        if state.epoch == phase.from_epoch and state.step == 0:
            state.phase_digests, state.phase_updates = weight_digests(job.model), self._updates()
        multipliers = rate_multipliers(job.model, job.units, phase, job.config.freeze.rate_decay)
        trains = {id(variable) for variable in job.model.trainable_variables}
        for optimizer, _ in job.optimizers.values():
            set_rate_multipliers(optimizer, multipliers)
        context = StepContext(
            job.config, job.splits.metadata, job.model, forward_for_training(job.model, layers),
            {name: optimizer for name, (optimizer, _) in job.optimizers.items()},
            {name: [variable for variable in variables if id(variable) in trains]
             for name, (_, variables) in job.optimizers.items()})
        # A new tf.function each phase: one traced before `trainable` changed would silently go on with the old set.
        self._train_call = many_steps(job.task.train_step(context))
        self._eval_call = self._eval_call or many_steps(job.task.eval_step(context))
        self._step_seconds.pop("train", None)
        self._entered = phase

    def _train_epoch(self) -> dict[str, float]:
        job, state = self.job, self.state
        iterator = iter(job.task.train_batches(job.config, job.splits.train, state.epoch, state.step))
        totals = zero_totals(job.task.totals)
        totals.update({name: tf.constant(value, tf.float64) for name, value in state.totals.items()})
        self._first_rate = present_rate(self._first_optimizer())
        job.screen.begin_bar(f"epoch {state.epoch:>2}", job.steps_per_epoch, state.step)
        try:
            while state.step < job.steps_per_epoch and not job.model.stop_training:
                self._callbacks.on_train_batch_begin(state.step)
                totals, count = self._timed_call("train", self._train_call, iterator, totals,
                                                 job.steps_per_epoch - state.step)
                state.step += count
                state.totals = {name: float(total) for name, total in totals.items()}
                metrics = job.task.metrics(state.totals)
                self._check_finite(metrics)
                self._callbacks.on_train_batch_end(state.step - 1, metrics)
                job.screen.move_bar(state.step, measures(metrics))
                self._answer_signal_or_save()
        finally:
            job.screen.end_bar()
        return job.task.metrics(state.totals)

    def _timed_call(self, kind: str, call: Any, iterator: Any, totals: Any, left_steps: int) -> tuple[Any, int]:
        """Run as many steps as fit into CALL_SECONDS, one at first; returns totals and the number of steps."""
        step_seconds = self._step_seconds.get(kind)
        count = 1 if step_seconds is None else min(left_steps, max(1, int(CALL_SECONDS / max(step_seconds, 1e-6))))
        began = time.monotonic()
        before = float(totals["examples"])
        try:
            totals = call(iterator, tf.constant(count), totals)
        except tf.errors.ResourceExhaustedError as problem:
            raise TrainingFailed(f"Out of memory in epoch {self.state.epoch} at step {self.state.step}. Lower "
                                 "--batch-size and raise train.accumulation_steps by the same factor, which keeps the "
                                 "size of an update; or lower --image-size.") from problem
        examples = float(totals["examples"]) - before  # waits for the result
        seconds = time.monotonic() - began
        if step_seconds is None:
            self.state.wall_seconds["trace"] += seconds
            self._step_seconds[kind] = CALL_SECONDS / 4  # the first call traced: try a few steps before measuring
            return totals, count
        self._step_seconds[kind] = seconds / count
        self.state.wall_seconds[kind] += seconds
        self.state.timed_examples += int(examples) if kind == "train" else 0
        return totals, count

    def _validate(self) -> dict[str, float]:
        job = self.job
        self._callbacks.on_test_begin()
        batches = job.task.eval_batches(job.config, job.splits.validation)
        left_steps, iterator = int(batches.cardinality()), iter(batches)
        totals = zero_totals(job.task.totals)
        while left_steps:
            totals, count = self._timed_call("validation", self._eval_call, iterator, totals, left_steps)
            left_steps -= count
            self._answer_signal_or_save()
        metrics = job.task.metrics({name: float(total) for name, total in totals.items()})
        self._callbacks.on_test_end(metrics)
        return metrics

    def _close_epoch(self, training: dict[str, float], validation: dict[str, float], train_seconds: float,
                     epoch_seconds: float) -> None:
        job, state = self.job, self.state
        examples_per_second = state.totals["examples"] / max(train_seconds, 1e-9)
        phase = self._phase()
        self._check_finite(validation)
        state.history.append({"epoch": state.epoch, "phase": job.phases.index(phase) + 1, **training,
                              **{f"validation_{name}": value for name, value in validation.items()}})
        is_best = self._keep_best(validation)
        self._write_history()
        job.screen.line(f"epoch {state.epoch:>2}",
                        epoch_text(training, validation, is_best, examples_per_second, epoch_seconds))
        self._callbacks.on_epoch_end(state.epoch - 1, {**training, "learning_rate": self._first_rate,
                                                       **{f"val_{name}": value for name, value in validation.items()}})
        state.stopped_early = bool(job.model.stop_training) and state.epoch < job.config.train.epochs
        if state.stopped_early or state.epoch == phase.to_epoch:
            check_trainability(job.model, state.phase_digests, updated=self._updates() > state.phase_updates)
        state.epoch, state.step, state.totals = state.epoch + 1, 0, {}
        self.save()

    def _keep_best(self, validation: Mapping[str, float]) -> bool:
        value = self.job.task.rank(self.job.config, validation)
        is_best = self.state.best is None or value > self.state.best["value"]
        if is_best:
            self.state.best = {"epoch": self.state.epoch, "value": value, "validation": dict(validation)}
            self.best_weights = [weight.numpy() for weight in self.job.model.weights]
        return is_best

    def answer_signal(self, saved: bool = True) -> None:
        """Stop if a signal came. Raises Interrupted, after saving unless all is ``saved``."""
        number = self.job.stop_signal()
        if number is not None:
            if not saved:
                self.save()
            raise Interrupted(f"Stopped by signal {number} in epoch {self.state.epoch} after step {self.state.step}. "
                              f"The state is saved; --resume --run-dir {self.job.checkpoints.parent} goes on from "
                              "here.", 128 + number)

    def _answer_signal_or_save(self) -> None:
        self.answer_signal(saved=False)
        if time.monotonic() - self._saved_at > self.job.config.train.checkpoint_seconds:
            self.save()

    def own_seconds(self) -> float:
        """Of ``state.wall_seconds``, those of this process."""
        return sum(self.state.wall_seconds.values()) - self._seconds_before

    def save(self) -> None:
        """Write a checkpoint of this moment."""
        self.state.callbacks = callback_state(self._callbacks, self._fresh_callbacks)
        variables = all_variables(self.job)
        snapshot = checkpoint.Snapshot(dataclasses.asdict(self.state), [variable.numpy() for variable in variables],
                                       self.best_weights)
        checkpoint.save(self.job.checkpoints, snapshot, checkpoint.describe(variables))
        self._saved_at = time.monotonic()

    def _write_history(self) -> None:
        lines = "".join(json.dumps(line) + "\n" for line in self.state.history)
        atomic_write_text(self.job.metrics_file, lines)

    def _check_finite(self, metrics: Mapping[str, float]) -> None:
        if not math.isfinite(metrics["loss"]):
            raise TrainingFailed(
                f"The loss is {metrics['loss']} in epoch {self.state.epoch} at step {self.state.step}: training "
                "diverged. Try a lower --learning-rate or optimizer.clip_norm: 1.0; the checkpoint of the last "
                "finished epoch is intact.")

    def _schedule_point(self) -> dict[str, float]:
        """The rates with which the epoch began, by group, and how many parameters train."""
        phase, decay = self._phase(), self.job.config.freeze.rate_decay
        backbone = self._first_rate * phase.backbone_rate if phase.unfrozen else 0.0
        point = {"learning_rate/head": self._first_rate * phase.head_rate, "learning_rate/backbone": backbone}
        if decay != 1:
            point["learning_rate/deepest_unit"] = backbone * decay ** max(phase.unfrozen - 1, 0)
        parameters = sum(math.prod(variable.shape) for variable in self.job.model.trainable_variables)
        return {**point, "trainable_parameters": float(parameters)}

    def _first_optimizer(self) -> keras.optimizers.Optimizer:
        return next(iter(self.job.optimizers.values()))[0]

    def _updates(self) -> int:
        """Updates that were applied; loss scaling skips those with infinite gradients."""
        return sum(int(optimizer.iterations) for optimizer, _ in self.job.optimizers.values())


def all_variables(job: Job) -> list[Any]:
    """Everything a checkpoint holds: the model's variables (dropout's seeds among them) and the optimizers'."""
    optimizer_variables = [variable for optimizer, _ in job.optimizers.values() for variable in optimizer.variables]
    return [*job.model.variables, *optimizer_variables]


def restore(job: Job, snapshot: checkpoint.Snapshot) -> Loop:
    """A loop that goes on from ``snapshot``: every variable assigned, the state as it was."""
    for variable, array in zip(all_variables(job), snapshot.arrays, strict=True):
        variable.assign(array)
    return Loop(job, LoopState(**snapshot.state), snapshot.best)
