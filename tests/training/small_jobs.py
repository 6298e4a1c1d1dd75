"""A job for the loop that takes seconds: a small residual classifier on random images, wired as a Task."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tests.training.small_models import residual_model, units_of
from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.shared import FreezeConfig, TrainConfig
from tfpt.data.order import epoch_order
from tfpt.task import Splits, Task
from tfpt.tasks.image_classification import TASK
from tfpt.training.freezing import ever_trainable, plan_phases
from tfpt.training.job import Job
from tfpt.training.losses import cross_entropy
from tfpt.training.optimizers import make_optimizer
from tfpt.training.screen import Screen
from tfpt.training.steps import classifier_eval_step, classifier_train_step

CLASSES, EXAMPLES, BATCH_SIZE = 3, 22, 4
CONFIG = ImageClassificationConfig(freeze=FreezeConfig(unfreeze=5, head_epochs=1),
                                   train=TrainConfig(epochs=3, batch_size=BATCH_SIZE, checkpoint_seconds=1e9))


def images(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, EXAMPLES).astype("int32")
    return (generator.random((EXAMPLES, 8, 8, 3)) + labels[:, None, None, None] / 2).astype("float32"), labels


def batches(part: tuple[np.ndarray, np.ndarray], order: np.ndarray) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices({"image": part[0][order], "label": part[1][order]}).batch(BATCH_SIZE)


def train_batches(config, part, epoch, first_step):
    return batches(part, epoch_order(EXAMPLES, config.train.seed, epoch)[first_step * BATCH_SIZE:])


SMALL_TASK: Task = replace(
    TASK, name="small", units=units_of, train_batches=train_batches,
    eval_batches=lambda config, part: batches(part, np.arange(EXAMPLES)), reusable=None,
    train_step=lambda context: classifier_train_step(context, "image", cross_entropy(CLASSES), BATCH_SIZE),
    eval_step=lambda context: classifier_eval_step(context, "image", cross_entropy(CLASSES)))


def small_job(folder: Path, config: ImageClassificationConfig = CONFIG, stop_signal=lambda: None, callbacks=(),
              task: Task = SMALL_TASK) -> Job:
    """Always the same model and data; dropout on, a freeze boundary after the first epoch."""
    keras.utils.set_random_seed(7)
    model = residual_model(dropout=0.3)
    units = units_of(model)
    phases = plan_phases(config.freeze, config.train.epochs, units)
    optimizer = make_optimizer(config.optimizer, ever_trainable(model, units, phases), 6, config.train.epochs,
                               config.train.precision)
    model.compile(optimizer=optimizer, auto_scale_loss=False)
    splits = Splits(images(0), images(1), images(2), {}, "", "")
    return Job(task, config, splits, model, units, phases, {"only": (optimizer, optimizer._trainable_variables)}, 6,
               folder / "checkpoints", folder / "metrics.jsonl", folder / "tensorboard", callbacks,
               Screen(quiet=True), stop_signal)
