"""The loop in one process: interrupted anywhere it goes on to the same bits; it stops and fails as it should."""

import json
import signal
from dataclasses import replace

import keras
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.small_jobs import CONFIG, SMALL_TASK, small_job
from tfpt.errors import Interrupted, TrainingFailed
from tfpt.training import checkpoint, timed_calls
from tfpt.training.job import all_variables
from tfpt.training.loop import Loop, restore


def bits(job):
    return [variable.numpy().tobytes() for variable in all_variables(job)]


AVERAGED = replace(CONFIG, train=replace(CONFIG.train, ema_decay=0.9))


def left_behind(job, loop):
    """The bits of all that a training gives."""
    return bits(job), [weight.tobytes() for weight in loop.best_weights], job.metrics_file.read_text()


@pytest.fixture(scope="module", params=[CONFIG, AVERAGED], ids=["plain", "averaged"])
def trained(request, tmp_path_factory):
    job = small_job(tmp_path_factory.mktemp("whole"), request.param)
    finished = Loop(job)
    finished.run()
    return request.param, left_behind(job, finished)


@pytest.fixture
def whole(trained):
    return trained[1]


class StopAfter:
    """A signal that arrives when the loop has asked ``questions`` times."""

    def __init__(self, questions):
        self.left = questions

    def __call__(self):
        self.left -= 1
        return signal.SIGTERM if self.left < 0 else None


@settings(max_examples=6, deadline=None)
@given(stops=st.lists(st.integers(0, 12), min_size=1, max_size=3))
def test_interrupted_anywhere_it_ends_with_the_same_bits(trained, tmp_path_factory, stops):
    (config, whole), folder = trained, tmp_path_factory.mktemp("stopped")
    # One step a call, so that any step can be the last.
    call_seconds, timed_calls.CALL_SECONDS = timed_calls.CALL_SECONDS, 1e-6
    try:
        for questions in stops:
            job = small_job(folder, config, stop_signal=StopAfter(questions))
            found = checkpoint.load_newest(folder / "checkpoints", checkpoint.describe(all_variables(job)))
            with pytest.raises(Interrupted) as caught:
                (restore(job, found[0]) if found else Loop(job)).run()
            assert caught.value.exit_code == 143
    finally:
        timed_calls.CALL_SECONDS = call_seconds
    job = small_job(folder, config)
    last = restore(job, checkpoint.load_newest(folder / "checkpoints", checkpoint.describe(all_variables(job)))[0])
    last.run()
    assert left_behind(job, last) == whole


def test_a_line_per_epoch_without_timings(whole):
    lines = [json.loads(line) for line in whole[2].splitlines()]
    assert [(line["epoch"], line["phase"]) for line in lines] == [(1, 1), (2, 2), (3, 2)]
    assert set(lines[0]) == {"epoch", "phase", "loss", "accuracy", "validation_loss", "validation_accuracy"}


def test_a_callback_that_stops_within_an_epoch_is_obeyed_at_once(tmp_path):
    stop = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(stop.model, "stop_training", True))
    job = small_job(tmp_path, callbacks=[stop])
    state = Loop(job).run()
    assert state.stopped_early and len(state.history) == 1 and int(job.optimizers["only"][0].iterations) == 1


class Stops(keras.callbacks.Callback):
    """Asks to stop in a hook of the second epoch."""

    def __init__(self, hook):
        super().__init__()
        self._hook, self.begun, self._epoch = hook, [], 0

    def on_train_begin(self, logs=None):
        if self._hook == "on_train_begin":
            self.model.stop_training = True

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(epoch)
        self._epoch = epoch
        self._reach("on_epoch_begin")

    def on_train_batch_end(self, batch, logs=None):
        self._reach("on_train_batch_end")

    def _reach(self, hook):
        if hook == self._hook and self._epoch == 1:
            self.model.stop_training = True


@pytest.mark.parametrize("hook, epochs", [("on_train_begin", 1), ("on_epoch_begin", 2), ("on_train_batch_end", 2)])
@pytest.mark.parametrize("questions", [2, 5])
def test_asked_to_stop_it_does_after_a_call_of_that_epoch_wherever_it_is_interrupted(
        tmp_path, monkeypatch, hook, epochs, questions):
    monkeypatch.setattr(timed_calls, "CALL_SECONDS", 1e-6)
    whole = small_job(tmp_path / "whole", callbacks=[Stops(hook)])
    whole.metrics_file.parent.mkdir()
    first = Loop(whole)
    first.run()
    assert len(whole.metrics_file.read_text().splitlines()) == epochs
    folder = tmp_path / "stopped"
    folder.mkdir()
    job = small_job(folder, callbacks=[Stops(hook)], stop_signal=StopAfter(questions))
    try:
        Loop(job).run()
    except Interrupted:
        pass
    job = small_job(folder, callbacks=[Stops(hook)])
    last = restore(job, checkpoint.load_newest(folder / "checkpoints", checkpoint.describe(all_variables(job)))[0])
    last.run()
    assert left_behind(job, last) == left_behind(whole, first)


def test_an_epoch_begins_once_for_callbacks_however_often_it_is_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(timed_calls, "CALL_SECONDS", 1e-6)
    begun = []
    for questions in (2, 1, 1000):
        watch = Stops(None)
        job = small_job(tmp_path, callbacks=[watch], stop_signal=StopAfter(questions))
        found = checkpoint.load_newest(tmp_path / "checkpoints", checkpoint.describe(all_variables(job)))
        try:
            (restore(job, found[0]) if found else Loop(job)).run()
        except Interrupted:
            pass
        begun += watch.begun
    assert begun == [0, 1, 2]


def test_early_stopping_waits_in_the_last_phase(tmp_path):
    config = replace(CONFIG, train=replace(CONFIG.train, epochs=8, early_stopping=1),
                     optimizer=replace(CONFIG.optimizer, learning_rate=1e-7, schedule="constant"))
    worse = replace(SMALL_TASK, metrics=lambda totals: {"loss": next(losses), "accuracy": 0.5})
    losses = iter(range(1, 10 ** 6))
    state = Loop(small_job(tmp_path, config, task=worse)).run()
    assert state.stopped_early and len(state.history) == 3  # one of the head, two of the last phase


@pytest.mark.parametrize("validation_only", [False, True])
def test_a_loss_that_is_not_finite_is_a_failed_training(tmp_path, validation_only):
    losses = iter([1.0] * 6 * validation_only + [float("nan")] * 100)
    broken = replace(SMALL_TASK, metrics=lambda totals: {"loss": next(losses), "accuracy": 0.5})
    with pytest.raises(TrainingFailed, match="diverged"):
        Loop(small_job(tmp_path, task=broken)).run()


def test_out_of_memory_while_steps_are_traced_is_a_failed_training_with_advice(tmp_path):
    def train_step(context):
        def step(batch):
            raise tf.errors.ResourceExhaustedError(None, None, "injected")
        return step
    with pytest.raises(TrainingFailed, match="--image-size") as caught:
        Loop(small_job(tmp_path, task=replace(SMALL_TASK, train_step=train_step))).run()
    assert caught.value.exit_code == 3


def test_optimizer_state_survives_the_freeze_boundary(tmp_path):
    seen = []
    watch = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(
        [slot.numpy().copy() for slot in job.optimizers["only"][0].variables]))
    job = small_job(tmp_path, callbacks=[watch])
    Loop(job).run()
    paths = [slot.path for slot in job.optimizers["only"][0].variables]
    momentum = next(index for index, path in enumerate(paths) if "head_output_kernel_momentum" in path)
    assert abs(seen[1][momentum]).max() > 0 and len(seen[1]) == len(seen[2])


def test_the_schedule_point_falls_with_depth_and_counts_parameters(tmp_path):
    config = replace(CONFIG, freeze=replace(CONFIG.freeze, rate_decay=0.5))
    points = []
    job = small_job(tmp_path, config)
    running = Loop(job)
    running._callbacks.callbacks[0]._schedule = lambda: points.append(running._schedule_point()) or {}
    running.run()
    assert points[0]["learning_rate/backbone"] == 0.0 and points[0]["learning_rate/head"] == pytest.approx(0.001)
    assert points[1]["learning_rate/deepest_unit"] == pytest.approx(points[1]["learning_rate/backbone"] * 0.5 ** 4)
    assert points[0]["trainable_parameters"] == 4 * 3 + 3 < points[1]["trainable_parameters"]
