"""Keras callbacks under the loop: which ones, in which order, and how their state outlives a kill.

The order, set in ``callback_list``: early stopping first, so that the user's callbacks see its decision; the user's
next, in their order; TensorBoard last, so that it writes what the others changed in ``logs``.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary

from tfpt.errors import RunError
from tfpt.training.event_files import NOT_WRITTEN, EventFile, histogram, problem_text, scalars
from tfpt.training.screen import Screen

STATE_TYPES = (bool, int, float, str, type(None), np.generic)


class TensorBoardSeries(keras.callbacks.Callback):
    """Writes a point per epoch: metrics under ``train`` and ``validation``, and under ``train`` the freeze schedule.

    ``schedule()`` gives learning rates by group and the number of trainable parameters, ``weights()`` arrays by the
    tags of their histograms; steps are epochs, from 1. An epoch that is done again takes the place of what there was
    from it on, by this process or by one that was killed.
    """

    def __init__(self, folder: Path, schedule: Callable[[], Mapping[str, float]], screen: Screen,
                 weights: Callable[[], Mapping[str, np.ndarray]] = dict):
        super().__init__()
        self._folder, self._schedule, self._screen, self._weights = folder, schedule, screen, weights
        self._files: dict[str, EventFile] = {}
        self._problems: list[str] = []  # no plain attribute: a resumed run tries again

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if self._problems:
            return
        logs = logs or {}
        training = {name: value for name, value in logs.items() if not name.startswith("val_")}
        training.pop("learning_rate", None)
        validation = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        try:
            histograms = [histogram(tag, values) for tag, values in self._weights().items()]
            self._write("train", [*scalars({**training, **self._schedule()}), *histograms], epoch + 1)
            self._write("validation", scalars(validation), epoch + 1)
        except NOT_WRITTEN as problem:  # no room: curves are not worth a training
            self._problems.append(problem_text(problem))
            self._screen.line("watch", f"no curves any more, {self._folder} can't be written: {self._problems[0]}")

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        for file in self._files.values():
            with contextlib.suppress(*NOT_WRITTEN):
                file.close()

    def _write(self, part: str, summaries: Sequence[Summary], step: int) -> None:
        if part not in self._files:
            self._files[part] = EventFile(self._folder / part)
        self._files[part].write(step, summaries)


def callback_list(model: keras.Model, users: Sequence[keras.callbacks.Callback], *, early_stopping: int | None,
                  from_epoch: int, tensorboard: TensorBoardSeries, epochs: int,
                  steps: int) -> keras.callbacks.CallbackList:
    """The callbacks in their order. Early stopping waits ``early_stopping`` epochs, counted from ``from_epoch``."""
    callbacks: list[keras.callbacks.Callback] = []
    if early_stopping is not None:
        callbacks.append(keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=early_stopping, mode="min", start_from_epoch=from_epoch - 1))
    callbacks += [*users, tensorboard]
    return keras.callbacks.CallbackList(callbacks, add_history=True, model=model, epochs=epochs, steps=steps,
                                        verbose=0)


def callback_state(callbacks: keras.callbacks.CallbackList, fresh: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The plain attributes of each callback that differ from ``fresh``, JSON-able: bests, counters.

    Keras itself forgets them on resume.
    """
    return [{"class": type(callback).__name__,
             "attributes": {name: value for name, value in _plain_attributes(callback).items()
                            if name not in before or before[name] != value}}
            for callback, before in zip(callbacks.callbacks, fresh, strict=True)]


def restore_callback_state(callbacks: keras.callbacks.CallbackList,
                           states: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Undo ``callback_state``, after ``on_train_begin`` has reset everything; returns the ``fresh`` attributes.

    Raises:
        RunError: the run had other callbacks.
    """
    now = [type(callback).__name__ for callback in callbacks.callbacks]
    then = [state["class"] for state in states]
    if states and now != then:
        raise RunError(f"The run was trained with the callbacks {_users(then)}, and is resumed with {_users(now)}: it "
                       "would not go on as it was. Pass the same callbacks in the same order; on the command line with "
                       "--callback MODULE:CLASS for each.")
    for callback in callbacks.callbacks:
        _settle_monitor(callback)
    fresh = [_plain_attributes(callback) for callback in callbacks.callbacks]
    for callback, state in zip(callbacks.callbacks, states):
        foreign = [name for name in state["attributes"] if not isinstance(vars(callback).get(name), STATE_TYPES)]
        if foreign:  # such as the folder that is written to
            raise RunError(f"The checkpoint sets {foreign[0]} of the callback {type(callback).__name__}, which is no "
                           "state of a training: something other than tfpt wrote it. Start a new run.")
        vars(callback).update(state["attributes"])
    return fresh


def put_back_callback_state(callbacks: keras.callbacks.CallbackList, fresh: Sequence[Mapping[str, Any]],
                            states: Sequence[Mapping[str, Any]]) -> None:
    """In the middle of a training, give the callbacks what they would have if it were resumed from ``states``."""
    for callback, before, state in zip(callbacks.callbacks, fresh, states, strict=True):
        for name in _plain_attributes(callback).keys() - before.keys():
            delattr(callback, name)
        vars(callback).update({**before, **state["attributes"]})


def _users(names: Sequence[str]) -> str:
    return ", ".join(name for name in names if name not in (TensorBoardSeries.__name__, "History")) or "none"


def _plain_attributes(callback: keras.callbacks.Callback) -> dict[str, Any]:
    return {name: value.item() if isinstance(value, np.generic) else value
            for name, value in vars(callback).items() if isinstance(value, STATE_TYPES)}


def _settle_monitor(callback: keras.callbacks.Callback) -> None:
    """Let a callback that monitors a metric decide now whether less or more of it is better.

    Keras decides in the first ``on_epoch_end``, from metrics that ``fit`` builds and this loop doesn't, and turns
    the sign of ``min_delta`` as it does so: after a restore it would turn it twice.
    """
    if getattr(callback, "monitor_op", callback) is None:
        if callback.mode == "auto":
            callback.mode = "min" if callback.monitor.endswith("loss") else "max"
        callback._set_monitor_op()
