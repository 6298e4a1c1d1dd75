"""Every backbone is frozen, cached, trained, saved and exported as MobileNetV2 is, to the same numbers."""

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.backbones import SMALL, as_if_trained, coarse_pictures, every, small_size
from tests.training.small_jobs import BATCH_SIZE, CACHED_CONFIG, CACHED_TASK, CLASSES, Part, small_job
from tests.training.test_loop_cache import clear_cache, goes_on, run
from tfpt.config.image_classification import HeadConfig, ImageClassificationConfig, ImageModelConfig
from tfpt.config.shared import FreezeConfig
from tfpt.export.image_signatures import image_classifier_signatures
from tfpt.export.saved_model import write_saved_model
from tfpt.models.classifier import build_classifier
from tfpt.models.keras_archive import open_keras_model
from tfpt.task import Splits
from tfpt.tasks.image_classification import TASK
from tfpt.training.graph_runner import graph_runner
from tfpt.training.job import Job
from tfpt.training.loop import Loop

EXAMPLES = 2 * BATCH_SIZE
UNFREEZE = {"VGG16": 3, "VGG19": 3, "MobileNet": 20}
"""So deep that the boundary is within a block, and dropout, squeeze and excitation or a second branch train."""
BACKBONE_TASK = replace(CACHED_TASK, units=TASK.units)


@pytest.fixture(scope="module", autouse=True)
def deterministic_ops():
    tf.config.experimental.enable_op_determinism()


def pictures(seed: int, side: int) -> Part:
    return Part(coarse_pictures(seed, EXAMPLES, side), np.arange(EXAMPLES, dtype=np.int32) % CLASSES)


def training_of(name: str, **cache) -> tuple[ImageClassificationConfig, dict[str, Any]]:
    """Two epochs that train the last layers and the head: a config, and what a small job needs beside it."""
    side, model = small_size(name), ImageModelConfig(backbone=name, head=HeadConfig(units=(8,)))
    config = replace(CACHED_CONFIG, freeze=FreezeConfig(unfreeze=UNFREEZE.get(name, 40), head_epochs=0),
                     train=replace(CACHED_CONFIG.train, epochs=2), cache=replace(CACHED_CONFIG.cache, **cache))
    splits = Splits(pictures(0, side), pictures(1, side), pictures(2, side), {}, "", "")
    return config, {"task": BACKBONE_TASK, "splits": splits, "build": lambda: as_if_trained(
        build_classifier(model, side, CLASSES), coarse_pictures(3, 32, side))}


def job_of(folder: Path, name: str, **cache) -> Job:
    config, options = training_of(name, **cache)
    return small_job(folder, config, **options)


def losses(loop: Loop) -> list[list[float]]:
    """Trains; at the end the loop itself checks that frozen weights stayed and all others moved."""
    return [[line["loss"], line["validation_loss"]] for line in loop.run().history]


@pytest.fixture(scope="module")
def trained(request, tmp_path_factory):
    """The losses of a training without the cache, and of the same on rows of the cache; its name and job."""
    without = losses(Loop(job_of(tmp_path_factory.mktemp("off"), request.param, mode="off")))
    gc.collect()  # of the largest, memory holds one training
    job = job_of(tmp_path_factory.mktemp("on"), request.param, fold_batch_norm=False)
    loop = Loop(job)
    on_rows = losses(loop)
    assert None not in job.cache_plan.phases and loop.cache.computed_rows > 0
    return request.param, job, without, on_rows


@pytest.mark.parametrize("trained", every(*SMALL), indirect=True)
def test_training_on_cached_rows_gives_the_numbers_of_training_without(trained):
    *_, without, on_rows = trained
    np.testing.assert_allclose(on_rows, without, rtol=1e-5)


@pytest.mark.parametrize("trained", every(*SMALL), indirect=True)
def test_folding_changes_roundings_alone(trained):
    """Random weights multiply roundings from layer to layer: with ResNet50's, both are 3e-4 from what float64 gives."""
    _, job, *_ = trained
    job.model.trainable, pixels = False, tf.constant(job.splits.test.images)
    features = job.model.get_layer("head_pool").output
    whole, folded = (tf.function(graph_runner(job.model.inputs, [features], fold=fold))(pixels)[0].numpy()
                     for fold in (False, True))
    assert np.abs(folded - whole).max() < 2e-3 * whole.std()


@pytest.mark.parametrize("trained", every(*SMALL), indirect=True)
def test_model_keras_opens_in_safe_mode_with_the_same_numbers(trained, tmp_path):
    model, pixels = trained[1].model, trained[1].splits.test.images
    model.save(tmp_path / "model.keras")
    again = open_keras_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(pixels, training=False), model(pixels, training=False), atol=1e-6)


# To make a graph of the largest takes nineteen times its 1.4 GB.
BUT_THE_LARGEST = [case for case in every(*SMALL) if "ConvNeXtXLarge" not in str(case)]


@pytest.mark.parametrize("trained", BUT_THE_LARGEST, indirect=True)
def test_the_exported_model_gives_the_trained_numbers(trained, tmp_path):
    name, job, *_ = trained
    pixels = job.splits.test.images
    expected = job.model(pixels, training=False).numpy()
    served = image_classifier_signatures(job.model, job.model.get_layer("head_pool").output, small_size(name),
                                         [str(number) for number in range(CLASSES)])
    write_saved_model(replace(served, signatures={"pixels": served.signatures["pixels"]}), tmp_path / "export")
    call = tf.saved_model.load(str(tmp_path / "export")).signatures["pixels"]
    np.testing.assert_allclose(call(pixels=tf.constant(pixels))["probabilities"], expected, atol=1e-4)


OF_EACH_FAMILY = ("MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny", "ResNet50V2", "DenseNet121",
                  "NASNetMobile")


@pytest.mark.nightly
@pytest.mark.parametrize("name", OF_EACH_FAMILY)
def test_everything_trains_from_the_first_epoch(name, tmp_path):
    """Every weight moves, as the check at the end of a phase asks, and statistics too."""
    config, options = training_of(name, mode="off")
    job = small_job(tmp_path, replace(config, freeze=FreezeConfig(unfreeze="scratch", head_epochs=0)), **options)
    before = {weight.path: weight.numpy() for weight in job.model.non_trainable_weights}
    assert np.isfinite(losses(Loop(job))).all()
    statistics = [weight for weight in job.model.weights if weight.path.endswith(("moving_mean", "moving_variance"))]
    assert all((weight.numpy() != before[weight.path]).any() for weight in statistics)


@pytest.mark.nightly
@pytest.mark.parametrize("name", OF_EACH_FAMILY)
def test_interrupted_it_goes_on_to_the_same_bits(name, tmp_path):
    """The rows computed anew, dropout and stochastic depth where they were."""
    config, options = training_of(name, fold_batch_norm=True, mode="auto")
    whole = run(tmp_path / "whole", config, **options)
    assert goes_on(tmp_path / "stopped", config, [2, 5], clear_cache, **options)[0] == whole
