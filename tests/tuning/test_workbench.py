"""The workbench: a trial on it has the numbers of the same training alone, and nothing shared is made twice."""

import io
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.small_jobs import CACHED_CONFIG, CACHED_TASK, EXAMPLES, slow_layers, small_splits
from tests.training.small_models import residual_model
from tfpt.config.loading import with_values
from tfpt.data.row_folders import list_folders
from tfpt.task import Adjustment
from tfpt.training.dropout import set_dropout_rate
from tfpt.training.job import Job, all_variables, make_average
from tfpt.training.loop import Loop
from tfpt.training.prefix_cache.cache import PrefixCache
from tfpt.training.prefix_cache.plan import CachePlan
from tfpt.training.screen import Screen
from tfpt.tuning import workbench
from tfpt.tuning.workbench import Workbench
from tfpt.workflows.plan import make_plan

DEPTHS = (0, 5, 9)


def build(config, metadata):
    small = residual_model()
    dropped = keras.layers.Dropout(config.model.head.dropout, name="head_dropout")(small.get_layer("head_pool").output)
    return keras.Model(small.input, keras.layers.Dense(3, "softmax", name="head_output")(dropped))


def set_dropout(model, rate):
    if rate > 0:
        set_dropout_rate(model.get_layer("head_dropout"), rate)


TASK = replace(CACHED_TASK, resolve=lambda config: config, sources=lambda config: small_splits(), build=build,
               load_weights=lambda config, model: None,
               optimizers=lambda config, model, variables, steps: {
                   "only": CACHED_TASK.optimizers(config, model, variables, steps)["classifier"]},
               adjustments={"model.head.dropout": Adjustment(kind=bool, apply=set_dropout)})


def config_of(**values):
    return with_values(CACHED_CONFIG, {"train.epochs": 3, "freeze.head_epochs": 1, **{
        name.replace("__", "."): value for name, value in values.items()}}, "here")


@pytest.fixture(autouse=True)
def cuts_are_worth_it(monkeypatch):
    monkeypatch.setattr("tfpt.training.prefix_cache.plan.measured_seconds", slow_layers)
    monkeypatch.setattr("tfpt.training.prefix_cache.plan.estimated_seconds", slow_layers)


def bench_of(task=TASK, stream=None, **values):
    return Workbench(task, [config_of(freeze__unfreeze=depth, **values) for depth in DEPTHS], 8,
                     Screen(stream, quiet=stream is None))


@pytest.fixture
def bench():
    made = bench_of()
    yield made
    made.clear()


def folders(folder):
    return {"folder": folder / "checkpoints", "metrics_file": folder / "metrics.jsonl",
            "tensorboard": folder / "tensorboard"}


def on_bench(bench, config, folder, until_epoch=None):
    folder.mkdir(parents=True)
    job = bench.job(config, **folders(folder), callbacks=(), screen=Screen(quiet=True), stop_signal=lambda: None)
    loop = Loop(job)
    loop.run(until_epoch)
    return outcome(job, loop), job, loop


def begin(bench, folder, **values):
    """A job's rows are computed; nothing is trained."""
    return bench.job(config_of(**values), **folders(folder), callbacks=(), screen=Screen(quiet=True),
                     stop_signal=lambda: None)


def outcome(job, loop):
    return [weight.numpy() for weight in job.model.variables], loop.state.history, loop.best_weights


def alone(config, folder):
    """As the training workflow does it, without any cache."""
    folder.mkdir(parents=True)
    tf.config.experimental.enable_op_determinism()
    splits = small_splits()
    plan = make_plan(TASK, with_values(config, {"cache.mode": "off"}, "here"), splits)
    job = Job(TASK, config, splits, plan.model, plan.units, plan.phases, plan.optimizers, plan.steps_per_epoch,
              folder / "checkpoints", folder / "metrics.jsonl", folder / "tensorboard", (), Screen(quiet=True),
              lambda: None, CachePlan(phases=(None,) * len(plan.phases)),
              average=make_average(config, plan.optimizers))
    loop = Loop(job)
    loop.run()
    return outcome(job, loop)


def assert_equal(found, expected):
    assert found[1] == expected[1]
    for mine, theirs in zip([*found[0], *found[2]], [*expected[0], *expected[2]], strict=True):
        np.testing.assert_array_equal(mine, theirs)


CONFIGS = [
    config_of(freeze__unfreeze=5, optimizer__learning_rate=0.01),
    config_of(freeze__unfreeze=0, optimizer__learning_rate=0.003, model__head__dropout=0.4),
    config_of(freeze__unfreeze=9, optimizer__learning_rate=0.002),
    config_of(freeze__unfreeze=5, optimizer__learning_rate=0.0005, model__head__dropout=0.0),
    config_of(freeze__unfreeze=5, optimizer__name="sgd", optimizer__schedule="constant",
              optimizer__learning_rate=0.02),
    config_of(freeze__unfreeze=5, optimizer__learning_rate=0.01, train__ema_decay=0.9),
    config_of(freeze__unfreeze=9, optimizer__learning_rate=0.02, train__ema_decay=0.9),
    config_of(freeze__unfreeze=5, optimizer__learning_rate=0.01),  # again: what came between has left nothing
]


def test_every_trial_has_the_bits_of_the_same_training_alone(bench, tmp_path):
    for number, config in enumerate(CONFIGS):
        found, job, _ = on_bench(bench, config, tmp_path / f"{number}")
        assert any(cut is not None for cut in job.cache_plan.phases)
        assert_equal(found, alone(config, tmp_path / f"alone {number}"))


def test_inputs_are_run_once_for_all_trials_and_steps_are_traced_once_per_depth(bench, tmp_path):
    rates = [0.01, 0.002, 0.0005]
    for depth in reversed(DEPTHS):
        for rate in rates:
            on_bench(bench, config_of(freeze__unfreeze=depth, optimizer__learning_rate=rate,
                                      model__head__dropout=0.1 + rate), tmp_path / f"{depth} {rate}")
    record = bench.record()
    assert 2 * EXAMPLES < record["computed_rows"] <= 3 * EXAMPLES  # two views and validation
    assert record["programs"] == len(DEPTHS)  # the head alone, which all begin with, and two depths


def test_a_new_program_is_made_where_a_traced_constant_differs(bench, tmp_path):
    base = dict(freeze__unfreeze=5, optimizer__learning_rate=0.01)
    for number, more in enumerate([{}, {"freeze__backbone_rate": 0.5}, {"optimizer__weight_decay": 0.1},
                                   {"loss__label_smoothing": 0.1}]):
        config = config_of(**base, **more)
        found, _, _ = on_bench(bench, config, tmp_path / f"{number}")
        assert bench.record()["programs"] == 2 * (number + 1)
        if "loss__label_smoothing" not in more:  # of which the small task takes no notice
            assert_equal(found, alone(config, tmp_path / f"alone {number}"))


def test_frozen_weights_that_an_earlier_phase_has_trained_are_no_constants_of_the_next_trial(bench, tmp_path):
    phases = [{"from_epoch": 1, "unfreeze": 9}, {"from_epoch": 2, "unfreeze": 0}]
    for rate in (0.01, 0.001):
        config = config_of(freeze__phases=phases, freeze__unfreeze=None, optimizer__learning_rate=rate)
        found, job, _ = on_bench(bench, config, tmp_path / f"{rate}")
        assert job.cache_plan.phases[1] != 0 or not job.cache_plan.cuts[0].name.startswith("head")
        assert_equal(found, alone(config, tmp_path / f"alone {rate}"))


def test_a_training_stopped_at_a_rung_goes_on_in_another_trial_bit_for_bit(bench, tmp_path):
    from tfpt.training import checkpoint
    from tfpt.training.loop import restore

    config = config_of(freeze__unfreeze=5, optimizer__learning_rate=0.01)
    _, first, loop = on_bench(bench, config, tmp_path / "rung", until_epoch=2)
    assert loop.state.epoch == 3 and len(loop.state.history) == 2
    on_bench(bench, config_of(freeze__unfreeze=9), tmp_path / "between")
    (tmp_path / "goes on").mkdir()
    job = bench.job(config, **folders(tmp_path / "goes on"), callbacks=(), screen=Screen(quiet=True),
                    stop_signal=lambda: None)
    snapshot, _ = checkpoint.load_newest(first.checkpoints, checkpoint.describe(all_variables(job)))
    loop = restore(job, snapshot)
    loop.run()
    assert_equal(outcome(job, loop), alone(config, tmp_path / "alone"))


def test_other_data_settings_begin_with_rows_of_their_own(bench, tmp_path):
    config = config_of(freeze__unfreeze=5)
    on_bench(bench, config, tmp_path / "1")
    rows = bench.record()["computed_rows"]
    found, _, _ = on_bench(bench, with_values(config, {"augment.flip": False}, "here"), tmp_path / "2")
    assert bench.record()["computed_rows"] > rows
    assert_equal(found, alone(with_values(config, {"augment.flip": False}, "here"), tmp_path / "alone"))


def same_weights(config, model):
    """As pretrained ones are, whatever the seed."""
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.uniform(0.05, 0.2, weight.shape))


def test_rows_of_models_that_are_forgotten_go(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(workbench, "_MOST_MODELS", 2)
    held = []
    for seed in range(4):
        begin(bench, tmp_path, data__seed=0, train__seed=seed)
        held.append(bench._rows.memory_bytes)
    assert held == [held[0], 2 * held[0], 2 * held[0], 2 * held[0]] and held[0] > 0
    bench.clear()
    assert bench._rows.memory_bytes == 0


def test_rows_of_one_model_stay_for_another_with_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(workbench, "_MOST_MODELS", 2)
    bench, held = bench_of(replace(TASK, load_weights=same_weights)), []
    for seed in range(4):
        begin(bench, tmp_path, data__seed=0, train__seed=seed)
        held.append(bench._rows.memory_bytes)
    assert set(held) == {held[0]} and bench.record()["computed_rows"] <= 3 * EXAMPLES
    bench.clear()


def test_all_models_rows_together_stay_within_the_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(PrefixCache, "_most_rows", lambda cache: 1500)  # 1.5 MB for a model
    bench = bench_of(cache__dtype="float16", cache__budget_mb=2)
    for seed in range(3):
        begin(bench, tmp_path, data__seed=0, train__seed=seed, cache__dtype="float16", cache__budget_mb=2)
        assert 2**20 < bench._rows.memory_bytes <= 2 * 2**20 and len(bench._models) == 1
    bench.clear()


def test_five_seeds_in_turn_are_built_once_each(tmp_path):
    built = []
    bench = bench_of(replace(TASK, build=lambda *arguments: built.append(1) or build(*arguments)))
    for _ in range(2):
        for seed in range(5):
            begin(bench, tmp_path, data__seed=0, train__seed=seed)
    assert len(built) == 5
    bench.clear()


def test_what_is_out_of_range_is_told_and_its_narrow_rows_go(tmp_path):
    splits = small_splits()
    splits.train.images[13] = 3e5
    stream = io.StringIO()
    bench = bench_of(replace(TASK, sources=lambda config: splits), stream, cache__dtype="float16")
    for seed in range(2):
        job = begin(bench, tmp_path, cache__dtype="float16", optimizer__learning_rate=0.01 * (seed + 1))
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("cache ")]
    cuts = [cut.name for cut in job.cache_plan.cuts]
    assert lines == [f"cache     an activation is out of float16's range: float32 for the cut after {cut}"
                     for cut in cuts] and len(cuts) == 3
    rows = job.shared.cache._open.values()
    assert {each.dtype for each in rows} == {tf.float32}
    assert bench._rows.memory_bytes == sum(each.memory_bytes for each in rows)
    bench.clear()


def shifted_splits(config):
    splits = small_splits()
    for part in (splits.train, splits.validation):
        part.images += config.data.seed
    return splits


def test_a_search_over_data_settings_keeps_no_more_on_disk_than_it_may(tmp_path):
    task, size = replace(TASK, sources=shifted_splits), 0
    for limit, seeds in ((20e9, [0]), (None, range(1, 8))):
        settings = {"cache__mode": "auto", "cache__max_gb": (limit or 2.5 * size) / 1e9}
        bench = bench_of(task, **settings)
        for seed in seeds:
            begin(bench, tmp_path, data__seed=seed, **settings)
        before_it_ends = sum(folder.bytes for folder in list_folders())
        bench.close()
        size = size or sum(folder.bytes for folder in list_folders())
    assert 0 < before_it_ends < 4 * size and sum(folder.bytes for folder in list_folders()) <= 2.5 * size
