"""The loop on cached rows: the numbers of the loop without, whatever is interrupted, deleted or widened."""

import json
import os
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.small_jobs import CACHED_CONFIG, CACHED_TASK, EXAMPLES, images, small_job
from tests.training.small_models import residual_model
from tests.training.test_loop import StopAfter, bits
from tfpt.config.shared import FreezeConfig, PhaseConfig
from tfpt.errors import Interrupted, TrainingFailed
from tfpt.task import Splits
from tfpt.training import checkpoint, timed_calls
from tfpt.training.job import all_variables
from tfpt.training.prefix_cache.cache import PrefixCache
from tfpt.training.loop import Loop, restore


@pytest.fixture(scope="module", autouse=True)
def deterministic_ops():
    tf.config.experimental.enable_op_determinism()


def config_of(base=CACHED_CONFIG, freeze=None, train=None, **cache):
    return replace(base, cache=replace(base.cache, **cache), freeze=freeze or base.freeze,
                   train=replace(base.train, **(train or {})))


def job_of(folder, config, **options):
    folder.mkdir(exist_ok=True)
    return small_job(folder, config, **{"task": CACHED_TASK, **options})


def outcome(job, loop):
    return (bits(job), [weight.tobytes() for weight in loop.best_weights], job.metrics_file.read_text())


def run(folder, config, **options):
    job = job_of(folder, config, **options)
    loop = Loop(job)
    loop.run()
    return outcome(job, loop)


def losses(text):
    return [[line["loss"], line["validation_loss"]] for line in map(json.loads, text.splitlines())]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Without the cache."""
    return run(tmp_path_factory.mktemp("plain"), config_of(mode="off"))


@pytest.mark.parametrize("mode", ["memory", "disk", "auto"])
def test_unfused_float32_rows_give_the_bits_of_a_run_without(plain, tmp_path, mode):
    job = job_of(tmp_path, config_of(mode=mode))
    assert [job.cache_plan.cuts[number].name for number in job.cache_plan.phases] == ["head_pool", "block_1_add"]
    loop = Loop(job)
    loop.run()
    assert outcome(job, loop) == plain
    assert loop.cache.computed_rows <= 3 * EXAMPLES < 2 * 4 * EXAMPLES
    assert loop.state.wall_seconds["prefix"] > 0


def goes_on(folder, config, stops, between, **options):
    """Interrupted after each number of questions, ``between`` every two processes; returns the outcome."""
    plan = job_of(folder, config, **options).cache_plan
    call_seconds, timed_calls.CALL_SECONDS = timed_calls.CALL_SECONDS, 1e-6
    try:
        for questions in stops:
            between()
            job = job_of(folder, config, stop_signal=StopAfter(questions), plan=plan, **options)
            found = checkpoint.load_newest(folder / "checkpoints", checkpoint.describe(all_variables(job)))
            with pytest.raises(Interrupted):
                (restore(job, found[0]) if found else Loop(job)).run()
    finally:
        timed_calls.CALL_SECONDS = call_seconds
    between()
    job = job_of(folder, config, plan=plan, **options)
    last = restore(job, checkpoint.load_newest(folder / "checkpoints", checkpoint.describe(all_variables(job)))[0])
    last.run()
    return outcome(job, last), last


def clear_cache():
    shutil.rmtree(os.environ["TFPT_CACHE"], ignore_errors=True)


def leave_cache():
    pass


@settings(max_examples=3, deadline=None)
@given(stops=st.lists(st.integers(0, 16), min_size=1, max_size=2), mode=st.sampled_from(["memory", "disk", "auto"]),
       between=st.sampled_from([clear_cache, leave_cache]))
def test_interrupted_anywhere_it_ends_with_the_same_bits(plain, tmp_path_factory, stops, mode, between):
    found, _ = goes_on(tmp_path_factory.mktemp("stopped"), config_of(mode=mode), stops, between)
    assert found == plain


FOLDED = {"dtype": "float16", "fold_batch_norm": True}


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    return run(tmp_path_factory.mktemp("folded"), config_of(mode="memory", **FOLDED))


def test_folded_float16_rows_follow_the_run_without(plain, folded):
    np.testing.assert_allclose(losses(folded[2]), losses(plain[2]), rtol=5e-3)


def test_folded_float32_rows_follow_it_closely(plain, tmp_path):
    found = run(tmp_path, config_of(mode="memory", fold_batch_norm=True))
    np.testing.assert_allclose(losses(found[2]), losses(plain[2]), rtol=1e-4)


@pytest.mark.parametrize("mode, between", [("auto", leave_cache), ("disk", clear_cache)])
def test_folded_float16_rows_are_resumed_to_the_same_bits(folded, tmp_path, mode, between):
    """Kept on disk, or computed again in other groups."""
    assert goes_on(tmp_path, config_of(mode=mode, **FOLDED), [14], between)[0] == folded


def test_stochastic_depth_is_resumed_to_the_same_bits(tmp_path):
    """EfficientNet's: dropout of whole branches, which is Keras's own."""
    def build():
        return residual_model(dropout=0.3, noise_shape=(None, 1, 1, 1))

    config = config_of(mode="auto")
    whole, plain = run(tmp_path / "whole", config, build=build), run(tmp_path / "plain", config)
    assert goes_on(tmp_path / "stopped", config, [5, 14], leave_cache, build=build)[0] == whole != plain


def splits_with(index, value):
    """One training image has an activation that float16 can't hold; it comes at some step of every epoch."""
    train = images(0)
    train.images[index] = value
    return Splits(train, images(1), images(2), {}, "", "")


def test_rows_that_become_float32_in_the_middle_of_an_epoch_do_so_on_resume_too(tmp_path):
    config = config_of(mode="auto", dtype="float16", train={"epochs": 3})
    splits = splits_with(13, 3e5)
    job = job_of(tmp_path / "whole", config, splits=splits)
    loop = Loop(job)
    loop.run()
    assert loop.state.widened and {loop.cache._dtype(number) for number in loop.state.widened} == {tf.float32}
    for stop, between in ((4, clear_cache), (14, leave_cache)):
        found, last = goes_on(tmp_path / str(stop), config, [stop], between, splits=splits)
        assert found == outcome(job, loop) and last.state.widened == loop.state.widened


def test_widening_in_validation_begins_it_again(tmp_path):
    validation = images(1)
    validation.images[9] = 3e5
    splits = Splits(images(0), validation, images(2), {}, "", "")
    config = config_of(dtype="float16", train={"epochs": 3})
    job = job_of(tmp_path, config, splits=splits)
    loop = Loop(job)
    loop.run()
    wide = run(tmp_path / "off", config_of(mode="off", train={"epochs": 3}), splits=splits)
    assert loop.state.widened
    np.testing.assert_allclose(losses(job.metrics_file.read_text()), losses(wide[2]), rtol=1e-2)


@pytest.mark.parametrize("mode", ["memory", "auto"])
def test_wider_rows_that_no_longer_fit_into_memory_are_read_from_disk_or_not_kept(tmp_path, mode, monkeypatch):
    monkeypatch.setattr(PrefixCache, "_most_rows", lambda cache: 1500)  # the wide cut: 0.8 MB, and 1.5 in float32
    config = config_of(mode=mode, dtype="float16", budget_mb=1, train={"epochs": 3}, freeze=FreezeConfig(
        unfreeze=5, head_epochs=1))
    splits = splits_with(13, 3e5)
    job = job_of(tmp_path, config, splits=splits)
    loop = Loop(job)
    loop.run()
    wide = run(tmp_path / "off", config_of(config, mode="off"), splits=splits)
    assert loop.state.widened == [0, 1]
    assert [loop.cache.has_room(number) for number in loop.cache.plan.phases] == [True, mode == "auto"]
    np.testing.assert_allclose(losses(job.metrics_file.read_text()), losses(wide[2]), rtol=1e-2)


def test_an_activation_that_is_no_number_fails_the_training_as_without(tmp_path):
    for mode in ("memory", "off"):
        with pytest.raises(TrainingFailed, match="diverged"):
            run(tmp_path, config_of(mode=mode, dtype="float16"), splits=splits_with(3, np.nan))


def phases(*pairs):
    return FreezeConfig(phases=tuple(PhaseConfig(from_epoch=epoch, unfreeze=count) for epoch, count in pairs))


SCHEDULES = {
    "through everything": phases((1, 0), (2, "all"), (3, 0)), "two ways": phases((1, 5), (2, 9), (3, 5)),
    "growing": phases((1, 0), (2, 5), (3, "all")), "shrinking": phases((1, "all"), (2, 0)),
    "to and fro": phases((1, 5), (2, 0), (3, 5)),
    "moving statistics": FreezeConfig(unfreeze=5, head_epochs=1, batch_norm="train")}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_gives_the_bits_of_a_run_without(tmp_path, name):
    config = config_of(freeze=SCHEDULES[name], train={"epochs": 3})
    assert job_of(tmp_path, config).cache_plan.cuts
    assert run(tmp_path / "on", config) == run(tmp_path / "off", config_of(config, mode="off"))


def test_accumulated_batches_give_the_bits_of_a_run_without(tmp_path):
    config = config_of(train={"accumulation_steps": 2, "epochs": 3}, freeze=FreezeConfig(unfreeze=5, head_epochs=1))
    assert run(tmp_path / "on", config) == run(tmp_path / "off", config_of(config, mode="off"))


def test_a_run_that_goes_on_for_longer_keeps_its_plan(tmp_path):
    """More epochs see more views than the plan had counted."""
    short, longer = (config_of(freeze=phases((1, 5)), train={"epochs": epochs}) for epochs in (1, 4))
    job = job_of(tmp_path, short)
    Loop(job).run()
    again = job_of(tmp_path, longer, plan=job.cache_plan)
    found, _ = checkpoint.load_newest(tmp_path / "checkpoints", checkpoint.describe(all_variables(again)))
    assert len(restore(again, found).run().history) == 4


def test_mixed_precision_trains_on_rows(tmp_path):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        config = config_of(train={"precision": "mixed_float16", "epochs": 3}, dtype="float16")
        job = job_of(tmp_path, config)
        loop = Loop(job)
        state = loop.run()
    finally:
        keras.config.set_dtype_policy(policy)
    assert len(state.history) == 3 and loop.cache.computed_rows > 0 and not state.widened


def test_a_cleared_cache_does_no_harm_while_it_is_in_use(plain, tmp_path):
    """``tfpt cache clear`` in another terminal."""
    callback = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: clear_cache())
    assert run(tmp_path, config_of(mode="disk"), callbacks=[callback])[0] == plain[0]
