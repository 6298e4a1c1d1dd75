"""Dense and transformer graphs are cut and cached as small convolutional ones are, and so is a MobileNetV2."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.training.prefix_cache.small_caches import feed_of, open_cache, taken
from tests.training.small_jobs import CACHED_CONFIG, CACHED_TASK, CLASSES, Part, small_job
from tests.training.small_models import randomise
from tests.training.test_loop_cache import losses, run
from tfpt.config.image_classification import ImageModelConfig
from tfpt.config.shared import FreezeConfig
from tfpt.models.classifier import build_classifier
from tfpt.task import Splits
from tfpt.training.prefix_cache.stream import GroupSize

HEAD = {"name": "head_output", "dtype": "float32"}


def dense_model() -> keras.Model:
    inputs = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Flatten(name="flat")(inputs)
    for number, width in enumerate([48, 24, 24]):
        y = keras.layers.Dense(width, "gelu", name=f"dense_{number}")(x)
        x = keras.layers.Concatenate(name=f"join_{number}")([x, y]) if number == 2 else y
    return keras.Model(inputs, keras.layers.Dense(3, "softmax", **HEAD)(x))


def transformer_model(blocks: int = 2, width: int = 16) -> keras.Model:
    """Rows of pixels as tokens."""
    inputs = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Dense(width, name="embed")(keras.layers.Reshape((8, 24), name="tokens")(inputs))
    for block in range(blocks):
        y = keras.layers.LayerNormalization(name=f"block_{block}_norm")(x)
        y = keras.layers.MultiHeadAttention(2, 8, dropout=0.1, name=f"block_{block}_attention")(y, y)
        x = keras.layers.Add(name=f"block_{block}_add")([x, y])
        y = keras.layers.LayerNormalization(name=f"block_{block}_norm_2")(x)
        y = keras.layers.Dense(width, "gelu", name=f"block_{block}_dense")(y)
        x = keras.layers.Add(name=f"block_{block}_out")([x, y])
    pooled = keras.layers.GlobalAveragePooling1D(name="head_pool")(x)
    return keras.Model(inputs, keras.layers.Dense(3, "softmax", **HEAD)(pooled))


# Units that train in the second phase, and the cuts.
GRAPHS = {"dense": (dense_model, 2, ["dense_1"]),
          "transformer": (transformer_model, 6, ["block_0_out", "head_pool"])}


def config_of(name, **cache):
    freeze = FreezeConfig(unfreeze=GRAPHS[name][1], head_epochs=1)
    return replace(CACHED_CONFIG, freeze=freeze, cache=replace(CACHED_CONFIG.cache, **cache),
                   train=replace(CACHED_CONFIG.train, epochs=3))


def job_of(name, folder, **cache):
    return small_job(folder, config_of(name, **cache), task=CACHED_TASK, build=GRAPHS[name][0])


@pytest.mark.parametrize("name", GRAPHS)
def test_a_cut_is_found_and_training_on_it_is_the_same_to_rounding(name, tmp_path):
    """Matrix products of 32 rows round otherwise than those of a batch: 1e-5 of the losses, folded or not."""
    build, _, cuts = GRAPHS[name]
    job = job_of(name, tmp_path)
    assert [cut.name for cut in job.cache_plan.cuts] == cuts
    off = losses(run(tmp_path, config_of(name, mode="off"), build=build)[2])
    for fold in (False, True):
        on = losses(run(tmp_path, config_of(name, fold_batch_norm=fold), build=build, plan=job.cache_plan)[2])
        np.testing.assert_allclose(on, off, rtol=1e-5)


@pytest.mark.parametrize("name", GRAPHS)
def test_rows_are_the_same_bits_in_any_group_and_place(name, tmp_path, monkeypatch):
    """What resuming rests on."""
    found = []
    for group, first_step in ((1, 0), (2, 0), (4, 0), (1, 3), (2, 5)):
        monkeypatch.setattr(GroupSize, "next", lambda self, *_: group)
        job = job_of(name, tmp_path)
        cache = open_cache(job)
        rows = []
        for phase in (0, 1):
            feed = feed_of(cache, job, phase)
            rows.append(np.concatenate([batch for batch, _ in taken(feed.train_stream(3, first_step), feed)]))
        found.append((4 * first_step, rows))
        cache.close()
    for first, rows in found:
        for one, other in zip(rows, found[0][1], strict=True):
            np.testing.assert_array_equal(one, other[first:])


def pictures(count: int, side: int) -> Part:
    generator = np.random.default_rng(0)
    return Part(generator.uniform(0, 255, (count, side, side, 3)).astype("float32"), np.zeros(count, "int32"))


@pytest.mark.parametrize("fold", [False, True])
def test_a_mobilenet_s_rows_are_the_same_bits_in_groups_of_32_64_and_128(tmp_path, monkeypatch, fold):
    """Its convolutions have other sizes, and kernels, than the small ones."""
    side, config = 96, replace(CACHED_CONFIG, cache=replace(CACHED_CONFIG.cache, fold_batch_norm=fold))
    splits = Splits(pictures(128, side), pictures(8, side), pictures(8, side), {}, "", "")
    mobilenet = ImageModelConfig(backbone="MobileNetV2", alpha=0.35)
    job = small_job(tmp_path, config, task=CACHED_TASK, splits=splits,
                    build=lambda: randomise(build_classifier(mobilenet, side, CLASSES)))
    found = []
    for group in (1, 2, 4):
        monkeypatch.setattr(GroupSize, "next", lambda self, *_: group)
        cache = open_cache(job)
        rows = []
        for phase in (0, 1):
            feed = feed_of(cache, job, phase)
            rows.append(np.concatenate([batch for batch, _ in taken(feed.train_stream(1, 0), feed)]))
        found.append(rows)
        cache.close()
    for one, two, four in zip(*found, strict=True):
        assert len(one) == 128 and one.std() > 0.01
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, four)
