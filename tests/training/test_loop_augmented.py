"""The loop on images that are augmented and mixed in every way at once, with every part of the loss on."""

from dataclasses import replace

import numpy as np
import pytest

from tests.data.image_files import source_in_memory
from tests.training.small_jobs import CACHED_CONFIG, EXAMPLES, small_job
from tests.training.small_models import residual_model, units_of
from tests.training.test_loop import StopAfter, left_behind
from tests.training.test_loop_cache import deterministic_ops  # noqa: F401
from tfpt.config.image_classification import AugmentConfig, ImageDataConfig, RandAugmentConfig
from tfpt.config.shared import FreezeConfig, LossConfig
from tfpt.errors import Interrupted
from tfpt.task import Splits
from tfpt.tasks.image_classification import TASK
from tfpt.training import checkpoint, timed_calls
from tfpt.training.job import all_variables
from tfpt.training.loop import Loop, restore
from tfpt.training.prefix_cache.plan import CachePlan

TASK_OF_SMALL_MODEL = replace(TASK, name="small", describe=lambda *_: "small", units=units_of)
VIEWS = AugmentConfig(randaugment=RandAugmentConfig(operations=2), erasing=0.5, views=3)
CONFIG = replace(
    CACHED_CONFIG, data=ImageDataConfig(image_size=8), augment=VIEWS,
    loss=LossConfig(label_smoothing=0.1, class_weights="balanced", focal_gamma=1.5),
    train=replace(CACHED_CONFIG.train, epochs=3, accumulation_steps=2, ema_decay=0.9))
MIXED = replace(CONFIG, augment=replace(VIEWS, views=0, mixup=0.4, cutmix=1.0))


def splits_of():
    train = source_in_memory(EXAMPLES)
    metadata = {"class_names": ["a", "b", "c"], "class_counts": np.bincount(train.labels).tolist()}
    return Splits(train, source_in_memory(9, seed=1), source_in_memory(5, seed=2), metadata, "", "")


def job_of(folder, config, **options):
    if config.augment.mixup:
        options["plan"] = CachePlan(phases=(None,) * config.train.epochs)
    return small_job(folder, config, task=TASK_OF_SMALL_MODEL, splits=splits_of(), **options,
                     build=lambda: residual_model(dropout=0.3, of_bytes=True))


def run(folder, config):
    folder.mkdir(exist_ok=True)
    job = job_of(folder, config)
    loop = Loop(job)
    loop.run()
    return left_behind(job, loop), loop


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """What an uninterrupted training leaves."""
    return run(tmp_path_factory.mktemp("whole"), MIXED)[0]


NIGHTLY = pytest.mark.nightly


@pytest.mark.parametrize("stops", [[1, 5], pytest.param([0], marks=NIGHTLY), pytest.param([2, 2, 3], marks=NIGHTLY)])
def test_interrupted_within_epochs_it_ends_with_the_same_bits(mixed, tmp_path, stops):
    call_seconds, timed_calls.CALL_SECONDS = timed_calls.CALL_SECONDS, 1e-6  # one step a call: any can be the last
    try:
        for questions in stops:
            job = job_of(tmp_path, MIXED, stop_signal=StopAfter(questions))
            found = checkpoint.load_newest(tmp_path / "checkpoints", checkpoint.describe(all_variables(job)))
            with pytest.raises(Interrupted):
                (restore(job, found[0]) if found else Loop(job)).run()
    finally:
        timed_calls.CALL_SECONDS = call_seconds
    job = job_of(tmp_path, MIXED)
    last = restore(job, checkpoint.load_newest(tmp_path / "checkpoints", checkpoint.describe(all_variables(job)))[0])
    last.run()
    assert left_behind(job, last) == mixed


def test_randaugment_and_erasing_give_the_same_bits_from_cached_rows(tmp_path):
    cached, loop = run(tmp_path / "on", CONFIG)
    assert loop.cache.computed_rows > 0
    assert run(tmp_path / "off", replace(CONFIG, cache=replace(CONFIG.cache, mode="off")))[0] == cached


CHANGES = [{"mixup": 0.5}, {"cutmix": 0.5}, {"erasing": 0.1}, {"randaugment": RandAugmentConfig(2, 8.0)},
           {"randaugment": RandAugmentConfig(1, 9.0)}]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(change))
def test_each_setting_reaches_the_batches(change):
    """With a batch size of two there are enough for both ways of mixing to be drawn."""
    small = replace(MIXED, train=replace(MIXED.train, batch_size=2, accumulation_steps=1))
    shares, images = zip(*[
        zip(*[(batch["share"], batch["image"]) for batch in TASK.train_batches(config, splits_of().train, 1, 0)])
        for config in (small, replace(small, augment=replace(small.augment, **change)))])
    mixes = "mixup" in change or "cutmix" in change
    assert np.array_equal(*map(np.concatenate, shares)) != mixes
    assert not np.array_equal(*map(np.concatenate, images))


def test_the_focal_loss_reaches_training_and_leaves_validation_plain(tmp_path):
    short = replace(CONFIG, freeze=FreezeConfig(unfreeze=0, head_epochs=0), augment=AugmentConfig(flip=False),
                    optimizer=replace(CONFIG.optimizer, learning_rate=1e-6), train=replace(CONFIG.train, epochs=1))
    plain, focal = [run(tmp_path / str(gamma), replace(short, loss=replace(short.loss, focal_gamma=gamma)))[1]
                    .state.history[0] for gamma in (0.0, 2.0)]
    assert focal["loss"] < 0.7 * plain["loss"]
    assert focal["validation_loss"] == pytest.approx(plain["validation_loss"], rel=1e-3)
