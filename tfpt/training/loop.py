"""The training loop: epochs, phases, validation, checkpoints, callbacks. Steps own the mathematics.

Everything that decides what comes next is in ``LoopState``, in variables, or a pure function of config: a loop that
is killed and resumed from any checkpoint computes what it would have computed, bit for bit.
"""

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpt.atomic_files import atomic_write_text
from tfpt.errors import Interrupted, TrainingFailed
from tfpt.training import checkpoint
from tfpt.training.callbacks import TensorBoardScalars, callback_list, callback_state, restore_callback_state
from tfpt.training.feeds import DirectFeed, Feed, Stream
from tfpt.training.freezing import (
    Phase, apply_phase, check_trainability, frozen_digest, schedule_point, weight_digests)
from tfpt.training.graph_split import reached_nodes
from tfpt.training.job import Job, LoopState, all_variables
from tfpt.training.optimizers import present_rate
from tfpt.training.prefix_cache.cache import CachedFeed, PrefixCache
from tfpt.training.programs import make_program
from tfpt.training.screen import epoch_text, measures
from tfpt.training.steps import zero_totals
from tfpt.training.timed_calls import CALL_SECONDS, TimedCalls, counted, memory_error_explained

EPOCH_SAVE_SECONDS = 5.0
"""The end of an epoch is saved unless the last save is younger: an epoch on cached rows may take a tenth of a save."""


class Loop:
    """Trains ``job.model`` in place from ``state`` on. ``best_weights`` are those of the best epoch so far."""

    def __init__(self, job: Job, state: LoopState | None = None, best_weights: Sequence[np.ndarray] = ()):
        self.job, self.state = job, state or LoopState()
        self.best_weights = list(best_weights)
        self._entered: Phase | None = None
        self._program: Any = None
        self.cache = self._open_cache()
        self._saved_at = time.monotonic()
        self._first_rate = 0.0
        self._fresh_callbacks: list[dict[str, Any]] = []
        self._seconds_before = sum(self.state.wall_seconds.values())
        self._callbacks = callback_list(
            job.model, job.callbacks, early_stopping=job.config.train.early_stopping,
            from_epoch=job.phases[-1].from_epoch, tensorboard=TensorBoardScalars(job.tensorboard, self._schedule_point),
            epochs=job.config.train.epochs, steps=job.steps_per_epoch)

    def run(self, until_epoch: int | None = None) -> LoopState:
        """Train to the last epoch, or until a callback stops it; or for now to the end of ``until_epoch``.

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
        last_epoch = min(until_epoch or self.job.config.train.epochs, self.job.config.train.epochs)
        with self.cache or contextlib.nullcontext():
            while state.epoch <= last_epoch and not state.stopped_early:
                self._run_epoch(last_epoch)
        self._program = None
        self._callbacks.on_train_end()
        return state

    def _run_epoch(self, last_epoch: int) -> None:
        self._enter_phase()
        self._callbacks.on_epoch_begin(self.state.epoch - 1)
        began, prefix_began = time.monotonic(), self.state.wall_seconds["prefix"]
        training = self._train_epoch()
        train_seconds = time.monotonic() - began - (self.state.wall_seconds["prefix"] - prefix_began)
        validation = self._validate()
        self._tell_prefix(self.state.wall_seconds["prefix"] - prefix_began)
        ends_phase = self._close_epoch(training, validation, train_seconds, time.monotonic() - began)
        if (ends_phase or self.state.epoch > last_epoch
                or time.monotonic() - self._saved_at > EPOCH_SAVE_SECONDS):
            self.save()

    def _open_cache(self) -> PrefixCache | None:
        job = self.job
        if job.shared is not None:
            return job.shared.cache
        return PrefixCache(job.task, job.config, job.splits, job.model, job.cache_plan, self.state.widened) \
            if job.cache_plan.cuts else None

    def _phase(self) -> Phase:
        epoch = self.state.epoch
        return next(phase for phase in self.job.phases if phase.from_epoch <= epoch <= phase.to_epoch)

    def _enter_phase(self) -> None:
        job, state, phase = self.job, self.state, self._phase()
        if phase is self._entered:
            return
        self._program = None  # it holds the rows of the phase before
        layers = apply_phase(job.model, job.units, phase)
        if state.epoch == phase.from_epoch and state.step == 0:
            state.phase_digests, state.phase_updates = weight_digests(job.model), self._updates()
        feed = self._make_feed(phase, layers)
        if job.shared is None:
            self._program = make_program(job, phase, feed)
        else:
            key = (job.shared.key, dataclasses.replace(phase, from_epoch=0, to_epoch=0), feed.rows,
                   frozen_digest(job.model))
            self._program = job.shared.programs.get(key, lambda: make_program(job, phase, feed))
        self._entered = phase

    def _make_feed(self, phase: Phase, layers: Sequence[keras.Layer]) -> Feed:
        job, number = self.job, self.job.phases.index(phase)
        reached = reached_nodes(job.model, layers)
        with memory_error_explained(self._where()):
            plan = job.cache_plan
            cached = self.cache.feed(plan.phases[number], plan.held(number), reached) if self.cache else None
        fold = job.config.cache.fold_batch_norm and job.config.cache.mode != "off"
        return cached or DirectFeed(job.task, job.config, job.splits, job.model, reached, fold)

    def _train_epoch(self) -> dict[str, float]:
        job, state = self.job, self.state
        stream = self._opened(lambda feed: feed.train_stream(state.epoch, state.step))
        totals = zero_totals(job.task.totals)
        totals.update({name: tf.constant(value, tf.float64) for name, value in state.totals.items()})
        self._first_rate = present_rate(self._first_optimizer())
        job.screen.begin_bar(f"epoch {state.epoch:>2}", job.steps_per_epoch, state.step)
        try:
            while state.step < job.steps_per_epoch and not job.model.stop_training:
                calls = self._program.train
                iterator, count = self._take(stream, calls, job.steps_per_epoch - state.step)
                if not count:
                    self._widen()
                    stream = self._opened(lambda feed: feed.train_stream(state.epoch, state.step))
                    continue
                self._callbacks.on_train_batch_begin(state.step)
                examples = float(totals["examples"])
                totals = self._run(calls, iterator, count, totals)
                state.step += count
                state.totals = {name: float(total) for name, total in totals.items()}
                state.timed_examples += int(state.totals["examples"] - examples) if calls.traced else 0
                metrics = job.task.metrics(state.totals)
                self._check_finite(metrics)
                self._callbacks.on_train_batch_end(state.step - 1, metrics)
                job.screen.move_bar(state.step, measures(metrics))
                self._answer_signal_or_save()
        finally:
            job.screen.end_bar()
        return job.task.metrics(state.totals)

    def _opened(self, open_stream: Callable[[Feed], Stream]) -> Stream:
        with counted(self.state.wall_seconds, "prefix" if self.cache else None):
            return open_stream(self._program.feed)

    def _take(self, stream: Stream, calls: TimedCalls, left_steps: int) -> tuple[Any, int]:
        with counted(self.state.wall_seconds, "prefix" if self.cache else None), memory_error_explained(self._where()):
            return stream.take(calls.wanted(left_steps), CALL_SECONDS)

    def _run(self, calls: TimedCalls, iterator: Any, count: int, totals: Any) -> Any:
        with memory_error_explained(self._where()):
            return calls.run(iterator, count, totals, self.state.wall_seconds)

    def _widen(self) -> None:
        """Make the phase's feed anew, with float32 rows: an activation is out of the range of the cache's dtype."""
        assert self.cache and isinstance(self._program.feed, CachedFeed)
        self.cache.widen(self._program.feed.number)
        self.state.widened = sorted(self.cache.widened)
        self._entered = None
        self._enter_phase()
        cached = isinstance(self._program.feed, CachedFeed)
        goes_on = "float32" if cached else "no room for float32, so without the cache"
        self.job.screen.line("cache", f"an activation is out of {self.job.cache_plan.dtype}'s range: {goes_on} from "
                                      f"epoch {self.state.epoch}, step {self.state.step + 1} on")

    def _validate(self) -> dict[str, float]:
        job = self.job
        self._callbacks.on_test_begin()
        stream = self._opened(lambda feed: feed.validation_stream())
        totals, done = zero_totals(job.task.totals), 0
        while done < stream.steps:
            iterator, count = self._take(stream, self._program.evaluate, stream.steps - done)
            if not count:
                self._widen()
                stream = self._opened(lambda feed: feed.validation_stream())
                totals, done = zero_totals(job.task.totals), 0
                continue
            totals = self._run(self._program.evaluate, iterator, count, totals)
            done += count
            self._answer_signal_or_save()
        metrics = job.task.metrics({name: float(total) for name, total in totals.items()})
        self._callbacks.on_test_end(metrics)
        return metrics

    def _tell_prefix(self, seconds: float) -> None:
        """How many rows were computed in this epoch, and how fast; what is on disk is whole then."""
        if self.cache and self.job.shared is None:  # else whoever shares it tells
            text = self.cache.finish(seconds)
            for notice in self.cache.notices:
                self.job.screen.line("cache", notice)
            self.cache.notices.clear()
            if text:
                self.job.screen.line("prefix", text)

    def _close_epoch(self, training: dict[str, float], validation: dict[str, float], train_seconds: float,
                     epoch_seconds: float) -> bool:
        """Write down the finished epoch; returns whether it was the last one of its phase."""
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
        ends_phase = state.stopped_early or state.epoch == phase.to_epoch
        if ends_phase:
            check_trainability(job.model, state.phase_digests, updated=self._updates() > state.phase_updates)
        state.epoch, state.step, state.totals = state.epoch + 1, 0, {}
        return ends_phase

    def _keep_best(self, validation: Mapping[str, float]) -> bool:
        value = self.job.task.rank(self.job.config, validation)
        is_best = self.state.best is None or value > self.state.best["value"]
        if is_best:
            self.state.best = {"epoch": self.state.epoch, "value": value, "validation": dict(validation)}
            self.best_weights = [weight.numpy() for weight in self.job.model.weights]
        return is_best

    def _where(self) -> str:
        return f"in epoch {self.state.epoch} at step {self.state.step}"

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
                "diverged. Try a lower --learning-rate or optimizer.clip_norm: 1.0; the last checkpoint, from "
                "before that, is intact.")

    def _schedule_point(self) -> dict[str, float]:
        return schedule_point(self.job.model, self._phase(), self._first_rate, self.job.config.freeze.rate_decay)

    def _first_optimizer(self) -> keras.optimizers.Optimizer:
        return next(iter(self.job.optimizers.values()))[0]

    def _updates(self) -> int:
        """Updates that were applied; loss scaling skips those with infinite gradients."""
        return sum(int(optimizer.iterations) for optimizer, _ in self.job.optimizers.values())


def restore(job: Job, snapshot: checkpoint.Snapshot) -> Loop:
    """A loop that goes on from ``snapshot``: every variable assigned, the state as it was."""
    for variable, array in zip(all_variables(job), snapshot.arrays, strict=True):
        variable.assign(array)
    return Loop(job, LoopState(**snapshot.state), snapshot.best)
