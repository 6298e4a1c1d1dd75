"""The training loop: epochs, phases, validation, checkpoints, callbacks. Steps own the mathematics.

Everything that decides what comes next is in ``LoopState``, in variables, or a pure function of config: a loop that
is killed and resumed from any checkpoint computes what it would have computed, bit for bit.
"""

import functools
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpt.atomic_files import atomic_write_text
from tfpt.errors import Interrupted, TrainingFailed
from tfpt.training import checkpoint
from tfpt.training.callback_errors import CallbackErrors
from tfpt.training.callbacks import (
    TensorBoardSeries, callback_list, callback_state, put_back_callback_state, restore_callback_state)
from tfpt.training.conditions import conditions
from tfpt.training.feeds import Feed, Stream
from tfpt.training.freezing import check_trainability, schedule_point, trainable_weights
from tfpt.training.job import Job, LoopState, applied_updates
from tfpt.training.optimizers import present_rate
from tfpt.training.phase_runner import PhaseRunner
from tfpt.training.prefix_cache.cache import PrefixCache
from tfpt.training.recovery import (
    FROZEN, TRAINING, VALIDATION, Diverged, EpochFailed, decide, memory_watched, recovery_line)
from tfpt.training.screen import epoch_text, measures
from tfpt.training.snapshots import newest_snapshot, put_back, save_snapshot
from tfpt.training.steps import zero_totals
from tfpt.training.timed_calls import CALL_SECONDS, TimedCalls, counted

EPOCH_SAVE_SECONDS = 5.0
"""The end of an epoch is saved unless the last save is younger: an epoch on cached rows may take a tenth of a save."""


class Loop:
    """Trains ``job.model`` in place from ``state`` on. ``best_weights`` are those of the best epoch so far."""

    def __init__(self, job: Job, state: LoopState | None = None, best_weights: Sequence[np.ndarray] = ()):
        self.job, self.state, self._is_new = job, state or LoopState(), state is None
        self.best_weights = list(best_weights)
        self._phases = PhaseRunner(job, self.state)
        self._saved_at = time.monotonic()
        self._first_rate = 0.0
        self._fresh_callbacks: list[dict[str, Any]] = []
        self._callback_errors = CallbackErrors(job.callbacks)
        self._seconds_before = sum(self.state.wall_seconds.values())
        with self._callback_errors.caught():
            self._callbacks = callback_list(
                job.model, job.callbacks, early_stopping=job.config.train.early_stopping,
                from_epoch=job.phases[-1].from_epoch, epochs=job.config.train.epochs, steps=job.steps_per_epoch,
                tensorboard=TensorBoardSeries(
                    job.tensorboard, self._schedule_point, job.screen, functools.partial(
                        trainable_weights, job.model, job.units) if job.config.tensorboard.histograms else dict))

    @property
    def cache(self) -> PrefixCache | None:
        """The prefix cache; None: it is off."""
        return self._phases.cache

    def run(self, until_epoch: int | None = None) -> LoopState:
        """Train to the last epoch, or until a callback stops it; or for now to the end of ``until_epoch``.

        Raises:
            Interrupted: a signal came; the state is saved.
            TrainingFailed: the loss is not finite or the memory too small, and no change of ``recovery`` has helped.
            CallbackFailed: a callback of ``job`` raised; the state is saved.
            CheckFailed: the trainability check found a difference at the end of a phase.
        """
        self.job.model.stop_training = self.state.stopping
        self._write_history()
        with self._callback_errors.caught(), self._phases:
            self._callbacks.on_train_begin()
            self._callback_errors.tell("That was before any training in this call: mend it and begin again.")
            self._fresh_callbacks = restore_callback_state(self._callbacks, self.state.callbacks)
            if self._is_new and self.job.recovers:
                self.save()  # there is always one to go back to
            last_epoch = min(until_epoch or self.job.config.train.epochs, self.job.config.train.epochs)
            while self.state.epoch <= last_epoch and not self.state.stopped_early:
                recovery = self._try_epoch(last_epoch)
                if recovery is not None:
                    self._begin_again(recovery)
            self._callbacks.on_train_end()
            self._answer_callbacks(saved=True)
        return self.state

    def _try_epoch(self, last_epoch: int) -> dict[str, Any] | None:
        """None once the epoch is done; else what to do about what went wrong."""
        try:
            self._run_epoch(last_epoch)
        except EpochFailed as failure:
            return decide(self.job, self.state, failure)  # what a traceback held of memory is free once this is left
        return None

    def _begin_again(self, recovery: dict[str, Any]) -> None:
        """Do the epoch otherwise, from its beginning on, or its validation alone if nothing else went wrong."""
        journal = [*self.state.recoveries, recovery]
        self._phases.leave()
        goes_back = "evaluation_batch_size" not in recovery
        if goes_back:
            self._go_back(recovery)
        self.state.recoveries = journal
        self.save()
        if goes_back:  # only now: the one that it went back to may have been the only other
            checkpoint.remove_later(self.job.checkpoints, recovery["epoch"])
        label, text = recovery_line(recovery)
        earlier = self.state.epoch < recovery["epoch"]
        self.job.screen.line(label, text + f" (first, from epoch {self.state.epoch} on, all as before)" * earlier)

    def _go_back(self, recovery: Mapping[str, Any]) -> None:
        """To the newest checkpoint from before the epoch: what led from there to its beginning is done again as it was.
        """
        job, gone = self.job, self.state
        snapshot = newest_snapshot(job, gone.epoch)
        if snapshot is None:
            raise TrainingFailed(f"{': '.join(recovery_line(recovery))}. But {job.checkpoints} has no checkpoint from "
                                 "before that epoch: start a new run.")
        put_back(job, snapshot)
        self.state, self.best_weights = LoopState(**snapshot.state), list(snapshot.best)
        self.state.wall_seconds, self.state.timed_examples = gone.wall_seconds, gone.timed_examples  # they were spent
        put_back_callback_state(self._callbacks, self._fresh_callbacks, self.state.callbacks)
        job.model.stop_training = self.state.stopping
        self._write_history()

    def _run_epoch(self, last_epoch: int) -> None:
        self._phases.enter(self.state)
        if self.state.step == 0:  # else the callbacks have had it, and what it did is in their state and the variables
            self._callbacks.on_epoch_begin(self.state.epoch - 1)
        began, prefix_began = time.monotonic(), self.state.wall_seconds["prefix"]
        training = self._train_epoch()
        train_seconds = time.monotonic() - began - (self.state.wall_seconds["prefix"] - prefix_began)
        with self.job.average.in_place() if self.job.average else nullcontext():
            validation = self._validate()
        self._phases.tell_prefix(self.state.wall_seconds["prefix"] - prefix_began)
        ends_phase = self._close_epoch(training, validation, train_seconds, time.monotonic() - began)
        if (ends_phase or self.state.epoch > last_epoch
                or time.monotonic() - self._saved_at > EPOCH_SAVE_SECONDS):
            self.save()
        self._answer_callbacks()

    def _train_epoch(self) -> dict[str, float]:
        job, state = self.job, self.state
        stream = self._opened(lambda feed: feed.train_stream(state.epoch, state.step))
        totals = zero_totals(job.task.totals)
        totals.update({name: tf.constant(value, tf.float64) for name, value in state.totals.items()})
        self._first_rate = present_rate(self._first_optimizer()) * conditions(state.recoveries, state.epoch).rate
        job.screen.begin_bar(f"epoch {state.epoch:>2}", job.steps_per_epoch, state.step)
        try:
            while state.step < job.steps_per_epoch and not (job.model.stop_training and state.step):
                calls = self._phases.program.train
                iterator, count = self._take(stream, calls, job.steps_per_epoch - state.step)
                if not count:
                    self._phases.widen(state)
                    stream = self._opened(lambda feed: feed.train_stream(state.epoch, state.step))
                    continue
                self._callbacks.on_train_batch_begin(state.step)
                examples = float(totals["examples"])
                totals = self._run(TRAINING, calls, iterator, count, totals)
                state.step += count
                state.totals = {name: float(total) for name, total in totals.items()}
                state.timed_examples += int(state.totals["examples"] - examples) if calls.traced else 0
                metrics = job.task.metrics(state.totals)
                self._check_finite(TRAINING, metrics, state.step - count)
                self._callbacks.on_train_batch_end(state.step - 1, metrics)
                job.screen.move_bar(state.step, measures(metrics))
                self._answer_signal_or_save()
        finally:
            job.screen.end_bar()
        return job.task.metrics(state.totals)

    def _opened(self, open_stream: Callable[[Feed], Stream]) -> Stream:
        with counted(self.state.wall_seconds, "prefix" if self.cache else None), memory_watched(FROZEN):
            return open_stream(self._phases.program.feed)

    def _take(self, stream: Stream, calls: TimedCalls, left_steps: int) -> tuple[Any, int]:
        with counted(self.state.wall_seconds, "prefix" if self.cache else None), memory_watched(FROZEN):
            return stream.take(calls.wanted(left_steps), CALL_SECONDS)

    def _run(self, part: str, calls: TimedCalls, iterator: Any, count: int, totals: Any) -> Any:
        with memory_watched(part):
            return calls.run(iterator, count, totals, self.state.wall_seconds)

    def _validate(self) -> dict[str, float]:
        job = self.job
        self._callbacks.on_test_begin()
        stream = self._opened(lambda feed: feed.validation_stream())
        totals, done = zero_totals(job.task.totals), 0
        while done < stream.steps:
            calls = self._phases.program.evaluate
            iterator, count = self._take(stream, calls, stream.steps - done)
            if not count:
                self._phases.widen(self.state)
                stream = self._opened(lambda feed: feed.validation_stream())
                totals, done = zero_totals(job.task.totals), 0
                continue
            totals = self._run(VALIDATION, calls, iterator, count, totals)
            done += count
            self._answer_signal_or_save()
        metrics = job.task.metrics({name: float(total) for name, total in totals.items()})
        self._check_finite(VALIDATION, metrics, self.state.step)
        self._callbacks.on_test_end(metrics)
        return metrics

    def _close_epoch(self, training: dict[str, float], validation: dict[str, float], train_seconds: float,
                     epoch_seconds: float) -> bool:
        """Write down the finished epoch; returns whether it was the last one of its phase."""
        job, state = self.job, self.state
        examples_per_second = state.totals["examples"] / max(train_seconds, 1e-9)
        phase = self._phases.phase(state.epoch)
        state.history.append({"epoch": state.epoch, "phase": job.phases.index(phase) + 1, **training,
                              **{f"validation_{name}": value for name, value in validation.items()}})
        is_best = self._keep_best(validation)
        self._write_history()
        job.screen.line(f"epoch {state.epoch:>2}",
                        epoch_text(training, validation, is_best, examples_per_second, epoch_seconds))
        self._callbacks.on_epoch_end(state.epoch - 1, {**training, "learning_rate": self._first_rate,
                                                       **{f"val_{name}": value for name, value in validation.items()}})
        state.stopped_early = bool(job.model.stop_training) and state.epoch < job.config.train.epochs
        ends_phase = state.stopped_early or state.epoch == phase.to_epoch
        if ends_phase:
            check_trainability(job.model, state.phase_digests, updated=applied_updates(job) > state.phase_updates)
        state.epoch, state.step, state.totals = state.epoch + 1, 0, {}
        return ends_phase

    def _keep_best(self, validation: Mapping[str, float]) -> bool:
        value = self.job.task.rank(self.job.config, validation)
        is_best = self.state.best is None or value > self.state.best["value"]
        if is_best:
            self.state.best = {"epoch": self.state.epoch, "value": value, "validation": dict(validation)}
            model, average = self.job.model, self.job.average
            self.best_weights = average.of(model) if average else [weight.numpy() for weight in model.weights]
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

    def _answer_callbacks(self, saved: bool = False) -> None:
        """Stop if a callback raised, after saving unless all is ``saved``."""
        if self._callback_errors.found:
            if not saved:
                self.save()
            self._callback_errors.tell("The state is saved; once the callback is mended, --resume --run-dir "
                                       f"{self.job.checkpoints.parent}, with the same --callback, goes on from here.")

    def _answer_signal_or_save(self) -> None:
        self.answer_signal(saved=False)
        self._answer_callbacks()
        if time.monotonic() - self._saved_at > self.job.config.train.checkpoint_seconds:
            self.save()

    def own_seconds(self) -> float:
        """Of ``state.wall_seconds``, those of this process."""
        return sum(self.state.wall_seconds.values()) - self._seconds_before

    def save(self) -> None:
        """Write a checkpoint of this moment."""
        self.state.callbacks = callback_state(self._callbacks, self._fresh_callbacks)
        self.state.stopping = bool(self.job.model.stop_training) and self.state.step > 0
        save_snapshot(self.job, self.state, self.best_weights)
        self._saved_at = time.monotonic()

    def _write_history(self) -> None:
        lines = "".join(json.dumps(line) + "\n" for line in self.state.history)
        atomic_write_text(self.job.metrics_file, lines)

    def _check_finite(self, part: str, metrics: Mapping[str, float], finite_step: int) -> None:
        if not math.isfinite(metrics["loss"]):
            raise Diverged(part, metrics["loss"], finite_step)

    def _schedule_point(self) -> dict[str, float]:
        return schedule_point(self.job.model, self._phases.phase(self.state.epoch), self._first_rate,
                              self.job.config.freeze.rate_decay)

    def _first_optimizer(self) -> keras.optimizers.Optimizer:
        return next(iter(self.job.optimizers.values()))[0]


def restore(job: Job, snapshot: checkpoint.Snapshot) -> Loop:
    """A loop that goes on from ``snapshot``: every variable assigned, the state as it was."""
    put_back(job, snapshot)
    return Loop(job, LoopState(**snapshot.state), snapshot.best)
