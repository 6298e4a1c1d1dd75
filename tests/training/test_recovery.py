"""An epoch that goes wrong is begun again otherwise: what comes out has the bits of a run that was told so before it
began, wherever it is interrupted.
"""

import functools
from dataclasses import replace

import keras
import pytest
import tensorflow as tf

from tests.training.recovering import TASK, Poison, config_of, halved, looped, outcome, told
from tests.training.small_jobs import CONFIG, small_job
from tests.training.small_models import residual_model
from tests.training.test_loop import StopAfter
from tfpt.errors import Interrupted, TrainingFailed
from tfpt.training import checkpoint, loop, recovery, timed_calls
from tfpt.training.job import all_variables
from tfpt.training.loop import Loop, restore


@pytest.fixture(scope="module", autouse=True)
def deterministic_ops():
    tf.config.experimental.enable_op_determinism()


@pytest.fixture(scope="module")
def halved_from(tmp_path_factory):
    """By epoch: the outcome of the plain job, its rate halved from there on."""
    @functools.cache
    def made(epoch):
        return told(tmp_path_factory.mktemp("told"), halved(epoch))

    return made


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("validation", [False, True])
def test_diverged_it_goes_on_as_if_the_rate_had_been_halved_from_that_epoch_on(
        tmp_path, monkeypatch, halved_from, epoch, validation):
    monkeypatch.setattr(timed_calls, "CALL_SECONDS", 1e-6)  # so that the first update of an epoch ends a call
    made = looped(tmp_path / "diverged", callbacks=[Poison(epoch, validation=validation)])
    state = made.run()
    assert outcome(made) == halved_from(epoch)
    (entry,) = state.recoveries
    assert entry["epoch"] == epoch and entry["where"] == ("validation" if validation else "training")
    first = "head_output" if validation or epoch == 1 else "block_2_conv"  # one update later all that trains is NaN
    assert entry["layer"] == f"{first} (weights)" and entry["loss"] == "nan"
    assert entry["learning_rate"] == pytest.approx(CONFIG.optimizer.learning_rate / 2)


OPTIMIZERS = {"constant sgd": {"name": "sgd", "schedule": "constant", "learning_rate": 0.05},
              "warm-up, decay": {"name": "adamw", "schedule": "linear", "warmup_epochs": 1.5, "weight_decay": 0.1}}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twice_in_two_epochs_with_other_optimizers(tmp_path, name):
    config = config_of(optimizer=OPTIMIZERS[name])

    class Twice(Poison):
        def poison(self, in_validation):
            self.where = (2 + len(self.loop.state.recoveries), 2, False)
            super().poison(in_validation)

    made = looped(tmp_path / "diverged", config, callbacks=[Twice(2)])
    made.run()
    assert [entry["epoch"] for entry in made.state.recoveries] == [2, 3]
    assert outcome(made) == told(tmp_path / "told", halved(2, 3), config)
    assert outcome(made) != told(tmp_path / "other", halved(2), config)


def test_in_mixed_precision(tmp_path):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        config = config_of(precision="mixed_float16")
        made = looped(tmp_path / "diverged", config, callbacks=[Poison(2)])
        made.run()
        assert outcome(made) == told(tmp_path / "told", halved(2), config)
    finally:
        keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize("epoch_seconds, call_seconds, place", [(0.0, 1e-9, (4, 0)), (1e9, 1e-9, (3, 6)), (
    1e9, 1e9, (2, 0))])
def test_it_goes_back_to_any_checkpoint_from_before_the_epoch(tmp_path, monkeypatch, epoch_seconds, call_seconds,
                                                              place):
    """Saved after every call and epoch, after calls, or at phase ends alone: what lacks is done again as it was."""
    monkeypatch.setattr(loop, "EPOCH_SAVE_SECONDS", epoch_seconds)
    monkeypatch.setattr(timed_calls, "CALL_SECONDS", 1e-6)
    config = config_of(epochs=4, checkpoint_seconds=call_seconds)
    went_back = []
    monkeypatch.setattr(Loop, "_go_back", lambda self, entry, go_back=Loop._go_back: (
        go_back(self, entry), went_back.append((self.state.epoch, self.state.step))))
    made = looped(tmp_path / "diverged", config, callbacks=[Poison(4, halvings=2)])
    made.run()
    assert went_back == [place] * 2
    assert outcome(made) == told(tmp_path / "told", halved(4, 4), config)


@pytest.mark.parametrize("stops", [[3], [12], [2, 9, 4], [10, 1, 1]])
def test_interrupted_before_or_after_it_diverged_it_ends_with_the_same_bits(tmp_path, monkeypatch, halved_from, stops):
    monkeypatch.setattr(timed_calls, "CALL_SECONDS", 1e-6)
    for questions in stops:
        with pytest.raises(Interrupted):
            looped(tmp_path / "stopped", callbacks=[Poison(2)], stop_signal=StopAfter(questions)).run()
    last = looped(tmp_path / "stopped", callbacks=[Poison(2)])
    last.run()
    assert outcome(last) == halved_from(2)
    assert [entry["epoch"] for entry in last.state.recoveries] == [2]


@pytest.mark.parametrize("moment", ["put_back", "remove_later", "_write_history", "save"])
def test_killed_while_it_goes_back_it_ends_with_the_same_bits(tmp_path, halved_from, moment):
    class Killed(BaseException):
        pass

    place = checkpoint if moment == "remove_later" else loop if moment == "put_back" else Loop
    real, monkey = getattr(place, moment), pytest.MonkeyPatch()

    def kills(*arguments):
        if place is checkpoint or moment == "put_back" or getattr(arguments[0], "_going_back", False):
            raise Killed
        return real(*arguments)

    begin_again = Loop._begin_again
    monkey.setattr(Loop, "_begin_again", lambda self, entry: (setattr(self, "_going_back", True),
                                                              begin_again(self, entry)))
    monkey.setattr(place, moment, kills)
    with pytest.raises(Killed):
        looped(tmp_path / "killed", callbacks=[Poison(2)]).run()
    monkey.undo()
    last = looped(tmp_path / "killed", callbacks=[Poison(2)])
    last.run()
    assert outcome(last) == halved_from(2)


def test_after_three_halvings_it_fails_and_says_where(tmp_path):
    made = looped(tmp_path, callbacks=[Poison(2, halvings=9)])
    with pytest.raises(TrainingFailed) as caught:
        made.run()
    text = str(caught.value)
    assert caught.value.exit_code == 3 and "\n" not in text
    for words in ("diverged: the loss was nan in epoch 2 ", "first in block_2_conv (weights)", "3 times, to 0.000125"):
        assert words in text
    assert [entry["learning_rate"] for entry in made.state.recoveries] == pytest.approx([5e-4, 2.5e-4, 1.25e-4])
    again = looped(tmp_path, callbacks=[Poison(2, halvings=9)])
    with pytest.raises(TrainingFailed, match="3 times"):
        again.run()


def regularised_model():
    """``w`` becomes ``w·(1 - 2·rate·0.5)``, and a little more, in each update."""
    model = residual_model()
    model.get_layer("head_output").kernel.regularizer = keras.regularizers.L2(0.5)
    return model


def test_a_rate_that_is_far_too_high_diverges_for_real_and_is_halved(tmp_path):
    """The head's weights grow by nearly the rate in each of 18 updates, until their products exceed float32."""
    config = config_of(optimizer={"name": "sgd", "momentum": 0.0, "schedule": "constant", "learning_rate": 3000.0})
    made = looped(tmp_path / "diverged", config, build=regularised_model)
    with pytest.raises(TrainingFailed, match="3 times, to 375"):
        made.run()
    config = config_of(config, optimizer={"learning_rate": 150.0})
    made = looped(tmp_path / "twice", config, build=regularised_model)
    state = made.run()
    assert [(entry["epoch"], entry["learning_rate"]) for entry in state.recoveries] == [(3, 75.0), (3, 37.5)]
    assert outcome(made) == told(tmp_path / "told", halved(3, 3), config, build=regularised_model)


def test_callbacks_go_back_with_the_rest(tmp_path):
    class Counts(keras.callbacks.Callback):
        begun, ended = 0, 0

        def on_epoch_begin(self, epoch, logs=None):
            self.begun = self.begun + 1
            seen.append((epoch, self.begun, self.ended))

        def on_epoch_end(self, epoch, logs=None):
            self.ended = self.ended + 1

    seen, plateau = [], keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=1e9)
    config = config_of(optimizer={"schedule": "constant"}, epochs=4, early_stopping=3)
    made = looped(tmp_path / "diverged", config, callbacks=[Counts(), plateau, Poison(3)])
    made.run()
    assert seen == [(0, 1, 0), (1, 2, 1), (2, 3, 2), (1, 2, 1), (2, 3, 2), (3, 4, 3)]
    assert outcome(made) == told(tmp_path / "told", halved(3), config, callbacks=[
        Counts(), keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=1e9)])


def test_checkpoints_from_before_there_was_a_journal_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(timed_calls, "CALL_SECONDS", 1e-6)
    with pytest.raises(Interrupted):
        looped(tmp_path / "old", stop_signal=StopAfter(9)).run()
    job = small_job(tmp_path / "old", task=TASK)
    snapshot, _ = checkpoint.load_newest(job.checkpoints, checkpoint.describe(all_variables(job)))
    state = dict(snapshot.state)
    assert state.pop("recoveries") == []
    resumed = restore(job, replace(snapshot, state=state))
    resumed.run()
    assert outcome(resumed) == told(tmp_path / "plain", [])


def test_without_a_checkpoint_to_go_back_to_it_says_so(tmp_path):
    class Loses(Poison):
        def on_epoch_begin(self, epoch, logs=None):
            checkpoint.remove_later(self.loop.job.checkpoints, 0)

    with pytest.raises(TrainingFailed, match="has no checkpoint from before"):
        looped(tmp_path, callbacks=[Loses(1)]).run()


def test_the_line_on_the_screen_is_one_line():
    entries = [{"epoch": 3, "step": 24, "where": "training", "what": "diverged", "loss": "nan", "finite_step": 16,
                "layer": "head_output (weights)", "learning_rate": 0.0005},
               {"epoch": 3, "step": 24, "where": "training", "what": "diverged", "loss": "inf", "finite_step": 23,
                "layer": None, "learning_rate": 0.0005},
               {"epoch": 3, "step": 24, "where": "validation", "what": "diverged", "loss": "inf", "layer": None,
                "learning_rate": 0.0005},
               {"epoch": 3, "step": 24, "where": "training", "what": "out of memory", "batch_size": 8,
                "accumulation_steps": 4},
               {"epoch": 3, "step": 24, "where": "validation", "what": "out of memory", "evaluation_batch_size": 8},
               {"epoch": 3, "step": 24, "where": "frozen layers", "what": "out of memory", "cache": "off"}]
    lines = [recovery.recovery_line(entry) for entry in entries]
    assert [label for label, _ in lines] == ["diverged"] * 3 + ["memory"] * 3
    assert "in epoch 3 between steps 17 and 24, first in head_output (weights); epoch 3 begins again" in lines[0][1]
    assert "in epoch 3 at step 24; " in lines[1][1] and "in the validation of epoch 3; " in lines[2][1]
    assert all("\n" not in text and len(text) < 160 for _, text in lines)
