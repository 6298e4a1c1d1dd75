"""Callbacks that raise: nothing is lost, and they are left as they were."""

import json
from dataclasses import replace

import keras
import pytest

from tests.training.small_jobs import CONFIG, small_job
from tests.training.test_loop import left_behind
from tfpt.errors import CallbackFailed
from tfpt.training import checkpoint
from tfpt.training.callback_errors import CallbackErrors
from tfpt.training.job import all_variables
from tfpt.training.loop import Loop, restore


class Fragile(keras.callbacks.Callback):
    """Raises in a hook, once, at an epoch counted from 0."""

    def __init__(self, hook=None, epoch=0):
        super().__init__()
        self._broken, self._seen, self._epoch = hook, -1, epoch

    def _reach(self, hook):
        if hook == self._broken and self._seen == self._epoch:
            raise LookupError("no server\nat all")

    def on_epoch_begin(self, epoch, logs=None):
        self._seen = epoch
        self._reach("on_epoch_begin")

    def on_train_batch_end(self, batch, logs=None):
        self._reach("on_train_batch_end")

    def on_test_begin(self, logs=None):
        self._reach("on_test_begin")

    def on_epoch_end(self, epoch, logs=None):
        self._reach("on_epoch_end")

    def on_train_end(self, logs=None):
        self._reach("on_train_end")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    job = small_job(tmp_path_factory.mktemp("whole"))
    loop = Loop(job)
    loop.run()
    return left_behind(job, loop)


@pytest.mark.parametrize("hook, epoch", [("on_epoch_begin", 1), ("on_train_batch_end", 0), ("on_test_begin", 1),
                                         ("on_epoch_end", 0), ("on_epoch_end", 2), ("on_train_end", 2)])
def test_the_state_is_saved_and_goes_on_to_the_same_bits(whole, tmp_path, hook, epoch):
    job = small_job(tmp_path, callbacks=[Fragile(hook, epoch)])
    with pytest.raises(CallbackFailed) as caught:
        Loop(job).run()
    assert caught.value.exit_code == 3 and isinstance(caught.value.__cause__, LookupError)
    assert f"Fragile.{hook} raised LookupError: no server at all." in str(caught.value)
    job = small_job(tmp_path, callbacks=[Fragile()])
    found, _ = checkpoint.load_newest(job.checkpoints, checkpoint.describe(all_variables(job)))
    assert found.state["epoch"] >= epoch + 1  # nothing of the epochs before is trained again
    last = restore(job, found)
    last.run()
    assert left_behind(job, last) == whole
    assert [json.loads(line)["epoch"] for line in job.metrics_file.read_text().splitlines()] == [1, 2, 3]


def test_the_others_are_told_of_what_came_before(tmp_path):
    epochs = []
    job = small_job(tmp_path, replace(CONFIG, train=replace(CONFIG.train, epochs=2)), callbacks=[
        Fragile("on_epoch_end", 0), keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(1))])
    with pytest.raises(CallbackFailed):
        Loop(job).run()
    assert epochs == [1] and len(job.metrics_file.read_text().splitlines()) == 1


class Exits(keras.callbacks.Callback):
    """Leaves Python in a hook."""

    def __init__(self, hook):
        super().__init__()
        self._broken = hook

    def set_model(self, model):
        super().set_model(model)
        self._reach("set_model")

    def on_train_begin(self, logs=None):
        self._reach("on_train_begin")

    def _reach(self, hook):
        if hook == self._broken:
            raise SystemExit(5)


@pytest.mark.parametrize("hook", ["set_model", "on_train_begin"])
def test_one_that_exits_before_anything_is_trained(tmp_path, hook):
    with pytest.raises(CallbackFailed, match=f"Exits.{hook} raised SystemExit: 5. That was before any training"):
        Loop(small_job(tmp_path, callbacks=[Exits(hook)])).run()
    assert not list(tmp_path.glob("checkpoints/*"))


def test_the_same_one_twice(tmp_path):
    epochs = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    Loop(small_job(tmp_path, callbacks=[callback, callback])).run()
    assert epochs == [0, 0, 1, 1, 2, 2]


def test_they_are_left_as_they_were():
    def mine(epoch, logs):
        raise ValueError

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=mine), Fragile()]
    before = [dict(vars(callback)) for callback in callbacks]
    errors = CallbackErrors(callbacks)
    with pytest.raises(KeyboardInterrupt), errors.caught():
        callbacks[0].on_epoch_end(0, {})
        callbacks[0].on_epoch_end(1, {})
        raise KeyboardInterrupt
    assert errors.found and [dict(vars(callback)) for callback in callbacks] == before
