"""Memory that ends: an epoch goes on in smaller pieces, with the same numbers, or without the prefix cache."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.recovering import TASK, Poison, config_of, halved, looped, outcome, told
from tests.training.small_jobs import BATCH_SIZE, CACHED_CONFIG, CACHED_TASK
from tests.training.small_models import residual_model
from tests.training.test_loop import StopAfter, bits
from tfpt.errors import Interrupted, TrainingFailed
from tfpt.training import timed_calls
from tfpt.training.job import Shared
from tfpt.training.prefix_cache.cache import PrefixCache
from tfpt.training.prefix_cache.stream import CachedStream
from tfpt.training.programs import Programs


@pytest.fixture(scope="module", autouse=True)
def deterministic_ops():
    tf.config.experimental.enable_op_determinism()


class Fails:
    """``TimedCalls.run`` that has no memory in its n-th call of a kind, after it has made its updates."""

    def __init__(self, monkeypatch, kind, numbers, error=tf.errors.ResourceExhaustedError):
        self.kind, self.left, self.calls, self.error = kind, numbers, 0, error
        run = timed_calls.TimedCalls.run

        def fails(calls, *arguments):
            totals = run(calls, *arguments)
            if calls._kind == kind:
                self.calls += 1
                if self.calls in self.left:
                    raise MemoryError() if error is MemoryError else error(None, None, "injected")
            return totals

        monkeypatch.setattr(timed_calls.TimedCalls, "run", fails)


def plain_model():
    """Without dropout, whose masks are drawn for each micro-batch."""
    return residual_model()


@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError, MemoryError])
def test_out_of_memory_it_goes_on_in_micro_batches_with_the_same_numbers(tmp_path, monkeypatch, error):
    config = config_of(batch_size=BATCH_SIZE)
    plain = looped(tmp_path / "plain", config, build=plain_model)
    plain.run()
    expected = told(tmp_path / "told", [{"epoch": 2, "batch_size": 2}], config, build=plain_model)
    with monkeypatch.context() as patch:
        Fails(patch, "train", [5], error)
        made = looped(tmp_path / "short", config, build=plain_model)
        (entry,) = made.run().recoveries
    assert outcome(made) == expected
    assert (entry["epoch"], entry["where"], entry["what"]) == (2, "training", "out of memory")
    assert (entry["batch_size"], entry["accumulation_steps"]) == (2, 2)
    for ours, theirs in zip(made.job.model.get_weights(), plain.job.model.get_weights()):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    losses = [[line["validation_loss"] for line in map(json.loads, each.job.metrics_file.read_text().splitlines())]
              for each in (made, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_micro_batches_are_halved_until_they_fit_and_a_resumed_run_begins_with_them(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        Fails(patch, "train", [1, 2])
        with pytest.raises(Interrupted):
            looped(tmp_path / "short", stop_signal=StopAfter(1)).run()
    last = looped(tmp_path / "short")
    assert [entry["batch_size"] for entry in last.state.recoveries] == [2, 1]
    last.run()
    assert outcome(last) == told(tmp_path / "told", [{"epoch": 1, "batch_size": 1}])


def test_a_divergence_leaves_the_micro_batches_small(tmp_path, monkeypatch):
    Fails(monkeypatch, "train", [1])
    made = looped(tmp_path / "both", callbacks=[Poison(1, halvings=2)])
    made.run()
    assert [entry["what"] for entry in made.state.recoveries] == ["out of memory", "diverged"]
    monkeypatch.undo()
    assert outcome(made) == told(tmp_path / "told", [{"epoch": 1, "batch_size": 2}, *halved(1)])


def test_an_odd_micro_batch_changes_no_update(tmp_path, monkeypatch):
    """15 examples an update, in pieces of 2 in the place of 5."""
    task = replace(TASK, train_batches=CACHED_TASK.train_batches, eval_batches=CACHED_TASK.eval_batches)
    config = config_of(batch_size=5, accumulation_steps=3)
    plain = looped(tmp_path / "plain", config, build=plain_model, task=task)
    plain.run()
    Fails(monkeypatch, "train", [1])
    made = looped(tmp_path / "short", config, build=plain_model, task=task)
    assert made.run().recoveries[0]["accumulation_steps"] == 8
    for ours, theirs in zip(made.job.model.get_weights(), plain.job.model.get_weights()):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_out_of_memory_with_one_example_it_fails_and_says_what_to_do(tmp_path, monkeypatch):
    Fails(monkeypatch, "train", range(100))
    made = looped(tmp_path)
    with pytest.raises(TrainingFailed, match="epoch 1 .* a single example at once .* --image-size") as caught:
        made.run()
    assert caught.value.exit_code == 3 and [entry["batch_size"] for entry in made.state.recoveries] == [2, 1]
    assert isinstance(caught.value.__cause__, tf.errors.ResourceExhaustedError)


def test_out_of_memory_in_validation_it_changes_no_bit_of_training(tmp_path, monkeypatch):
    plain = looped(tmp_path / "plain")
    plain.run()
    with monkeypatch.context() as patch:
        fails = Fails(patch, "validation", [2, 3])
        made = looped(tmp_path / "short")
        state = made.run()
        trained = Fails(patch, "train", [])
    assert bits(made.job) == bits(plain.job) and trained.calls == 0 and fails.calls > 3
    assert [entry["evaluation_batch_size"] for entry in state.recoveries] == [2, 1]
    assert [entry["where"] for entry in state.recoveries] == ["validation"] * 2
    for ours, theirs in zip(state.history, plain.state.history):
        assert ours == pytest.approx(theirs, rel=1e-5) and ours["loss"] == theirs["loss"]


def test_an_epoch_is_not_trained_again_because_its_validation_failed(tmp_path, monkeypatch):
    Fails(monkeypatch, "validation", [1])
    steps = []
    made = looped(tmp_path, callbacks=[keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(batch))])
    made.run()
    assert steps.count(5) == 3  # the last of six updates, once in each of three epochs


def test_out_of_memory_in_validation_with_one_example_it_fails(tmp_path, monkeypatch):
    Fails(monkeypatch, "validation", range(100))
    with pytest.raises(TrainingFailed, match="a single example at once in validation"):
        looped(tmp_path).run()


def test_out_of_memory_for_frozen_layers_it_goes_on_without_the_cache(tmp_path, monkeypatch):
    """Unfused float32 rows: the bits are those of a run without."""
    off = looped(tmp_path / "off", replace(CACHED_CONFIG, cache=replace(CACHED_CONFIG.cache, mode="off")),
                 task=CACHED_TASK)
    off.run()
    for place, name in ((CachedStream, "_compute"), (PrefixCache, "feed")):
        made = looped(tmp_path / name, CACHED_CONFIG, task=CACHED_TASK)
        real, calls = getattr(place, name), []

        def fails(self, *arguments):
            calls.append(name)
            if len(calls) == 2:
                raise tf.errors.ResourceExhaustedError(None, None, "injected")
            return real(self, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(place, name, fails)
            (entry,) = made.run().recoveries
        assert (entry["where"], entry["cache"]) == ("frozen layers", "off")
        assert outcome(made) == outcome(off) and not made.cache._open


def test_a_trial_of_a_search_fails_at_once_and_saves_nothing_before(tmp_path, monkeypatch):
    for callbacks, words in (([Poison(1)], "diverged"), ([], "--batch-size")):
        made = looped(tmp_path, callbacks=callbacks)
        made.job = replace(made.job, shared=Shared(Programs(), None, "trial"))
        made._phases.job = made.job
        if not callbacks:
            Fails(monkeypatch, "train", [1])
        with pytest.raises(TrainingFailed, match=words):
            made.run()
        assert not made.job.checkpoints.exists() and not made.state.recoveries
