"""Callbacks: their order, their state over a kill, what TensorBoard gets."""

import io
import json

import keras
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfpt.errors import RunError
from tfpt.training.callbacks import (
    TensorBoardSeries, callback_list, callback_state, put_back_callback_state, restore_callback_state)
from tfpt.training.screen import Screen


def model():
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    made.compile(optimizer=keras.optimizers.SGD(1.0))
    return made


def made_list(tmp_path, users=(), early_stopping=2, from_epoch=1):
    tensorboard = TensorBoardSeries(tmp_path, lambda: {"learning_rate/head": 0.5, "trainable_parameters": 7.0},
                                    Screen(quiet=True))
    callbacks = callback_list(model(), users, early_stopping=early_stopping, from_epoch=from_epoch,
                              tensorboard=tensorboard, epochs=9, steps=3)
    callbacks.on_train_begin()
    callbacks.fresh = restore_callback_state(callbacks, [])
    return callbacks


def test_order_is_early_stopping_then_the_users_then_tensorboard(tmp_path):
    users = [keras.callbacks.ReduceLROnPlateau(), keras.callbacks.LambdaCallback()]
    kinds = [type(callback).__name__ for callback in made_list(tmp_path, users).callbacks]
    assert kinds == ["EarlyStopping", "ReduceLROnPlateau", "LambdaCallback", "TensorBoardSeries", "History"]


def test_patience_survives_a_restart(tmp_path):
    callbacks = made_list(tmp_path)
    for epoch, loss in enumerate([1.0, 0.5, 0.6]):
        callbacks.on_epoch_end(epoch, {"val_loss": loss})
    kept = json.loads(json.dumps(callback_state(callbacks, callbacks.fresh)))
    again = made_list(tmp_path)
    restore_callback_state(again, kept)
    assert not again.callbacks[0].model.stop_training
    again.on_epoch_end(3, {"val_loss": 0.6})
    assert again.callbacks[0].model.stop_training


def test_in_the_middle_of_a_training_they_are_put_back(tmp_path):
    class Remembers(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.last, self.mode = epoch, "later"

    callbacks = made_list(tmp_path, [Remembers()])
    callbacks.on_epoch_end(0, {"val_loss": 1.0})
    first = callback_state(callbacks, callbacks.fresh)
    for epoch in (1, 2):
        callbacks.on_epoch_end(epoch, {"val_loss": 1.0})
    assert callbacks.callbacks[0].model.stop_training
    put_back_callback_state(callbacks, callbacks.fresh, first)
    assert callback_state(callbacks, callbacks.fresh) == first and callbacks.callbacks[0].wait == 0
    put_back_callback_state(callbacks, callbacks.fresh, [{"attributes": {}} for _ in first])
    assert not hasattr(callbacks.callbacks[1], "last") and callbacks.callbacks[0].best is None


def test_settings_are_those_of_the_new_command_only_state_is_kept(tmp_path):
    callbacks = made_list(tmp_path, early_stopping=2)
    callbacks.on_epoch_end(0, {"val_loss": 1.0})
    again = made_list(tmp_path, early_stopping=7)
    restore_callback_state(again, callback_state(callbacks, callbacks.fresh))
    assert (again.callbacks[0].patience, again.callbacks[0].best) == (7, 1.0)


def test_other_callbacks_than_the_run_had_are_refused(tmp_path):
    kept = callback_state((made := made_list(tmp_path, [keras.callbacks.LambdaCallback()])), made.fresh)
    with pytest.raises(RunError, match="LambdaCallback, and is resumed with EarlyStopping: .*--callback MODULE:CLASS"):
        restore_callback_state(made_list(tmp_path), kept)


def test_patience_is_not_counted_before_the_last_phase(tmp_path):
    callbacks = made_list(tmp_path, early_stopping=1, from_epoch=4)
    for epoch in range(3):
        callbacks.on_epoch_end(epoch, {"val_loss": float(epoch)})
    assert not callbacks.callbacks[0].model.stop_training


def test_a_plateau_halves_the_rate_with_a_state_kept_over_the_restart(tmp_path):
    def made():
        return made_list(tmp_path, [keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=2)], None)
    callbacks = made()
    for epoch, loss in enumerate([1.0, 1.0]):
        callbacks.on_epoch_end(epoch, {"val_loss": loss})
    again = made()
    restore_callback_state(again, json.loads(json.dumps(callback_state(callbacks, callbacks.fresh))))
    again.on_epoch_end(2, {"val_loss": 1.0})
    assert float(again.callbacks[0].model.optimizer.learning_rate) == pytest.approx(0.5)


def test_more_accuracy_is_better_though_the_mode_is_auto(tmp_path):
    callbacks = made_list(tmp_path, [keras.callbacks.EarlyStopping("val_accuracy", patience=1)], None)
    callbacks.on_epoch_end(0, {"val_accuracy": 0.5})
    callbacks.on_epoch_end(1, {"val_accuracy": 0.6})
    assert not callbacks.callbacks[0].model.stop_training
    callbacks.on_epoch_end(2, {"val_accuracy": 0.6})
    assert callbacks.callbacks[0].model.stop_training


def test_tensorboard_gets_train_validation_and_the_schedule(tmp_path):
    callbacks = made_list(tmp_path)
    for epoch in range(2):
        callbacks.on_epoch_end(epoch, {"loss": 1.0 - epoch, "val_loss": 2.0, "learning_rate": 0.1})
    callbacks.on_train_end()
    read = {}
    for part in ("train", "validation"):
        events = EventAccumulator(str(tmp_path / part), size_guidance={"tensors": 0}).Reload()
        read[part] = {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}
    assert read == {"train": {"loss": [1, 2], "learning_rate/head": [1, 2], "trainable_parameters": [1, 2]},
                    "validation": {"loss": [1, 2]}}


def test_what_is_no_number_in_the_logs_has_no_curve(tmp_path):
    callbacks = made_list(tmp_path, [keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(note="bar", pair=[1, 2], mine=3))])
    callbacks.on_epoch_end(0, {"loss": 1.0, "val_loss": 2.0})
    callbacks.on_train_end()
    tags = EventAccumulator(str(tmp_path / "train")).Reload().Tags()["tensors"]
    assert "mine" in tags and "loss" in tags and not {"note", "pair"} & set(tags)


def test_a_disk_without_room_for_curves_costs_the_curves_alone(tmp_path):
    stream = io.StringIO()
    scalars = TensorBoardSeries(tmp_path / "file" / "curves", lambda: {}, Screen(stream))
    (tmp_path / "file").write_text("")
    for epoch in range(2):
        scalars.on_epoch_end(epoch, {"loss": 1.0, "val_loss": 2.0})
    scalars.on_train_end()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"watch     no curves any more, {tmp_path}/file/curves can't be written")
    assert not any(isinstance(value, bool | str) for value in vars(scalars).values())  # it would hold after a resume
