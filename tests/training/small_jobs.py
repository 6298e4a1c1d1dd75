"""A job for the loop that takes seconds: a small residual classifier on random images, wired as a Task."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from tests.training.small_models import residual_model, units_of
from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.shared import CacheConfig, FreezeConfig, TrainConfig
from tfpt.data.augmentation import effective_views
from tfpt.data.order import epoch_order, view_numbers
from tfpt.task import ReusableInputs, Splits, Task, Visits
from tfpt.tasks.image_classification import TASK, update_size
from tfpt.training.freezing import ever_trainable, plan_phases
from tfpt.training.job import Job, make_average
from tfpt.training.losses import cross_entropy
from tfpt.training.optimizers import make_optimizer
from tfpt.training.prefix_cache.plan import CachePlan, Workload, plan_cache
from tfpt.training.screen import Screen
from tfpt.training.steps import classifier_eval_step, classifier_train_step

CLASSES, EXAMPLES, BATCH_SIZE = 3, 22, 4
CONFIG = ImageClassificationConfig(freeze=FreezeConfig(unfreeze=5, head_epochs=1),
                                   train=TrainConfig(epochs=3, batch_size=BATCH_SIZE, checkpoint_seconds=1e9))
CACHED_CONFIG = replace(
    CONFIG, freeze=FreezeConfig(unfreeze=5, head_epochs=2), train=replace(CONFIG.train, epochs=4),
    cache=CacheConfig(mode="memory", dtype="float32", fold_batch_norm=False))


@dataclass(eq=False)
class Part:
    """Float32 images and labels in memory; ``asked`` has (example, view) of every input that was asked for."""

    images: np.ndarray
    labels: np.ndarray
    asked: list[tuple[int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)


def images(seed: int) -> Part:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, EXAMPLES).astype("int32")
    return Part((generator.random((EXAMPLES, 8, 8, 3)) + labels[:, None, None, None] / 2).astype("float32"), labels)


def batches(part: Part, order: np.ndarray) -> tf.data.Dataset:
    columns = {"image": part.images[order], "label": part.labels[order]}
    return tf.data.Dataset.from_tensor_slices(columns).batch(BATCH_SIZE)


def train_batches(config, part, epoch, first_step):
    return batches(part, epoch_order(EXAMPLES, config.train.seed, epoch)[first_step * BATCH_SIZE:])


SMALL_TASK: Task = replace(
    TASK, name="small", describe=lambda *_: "small", units=units_of, train_batches=train_batches,
    eval_batches=lambda config, part: batches(part, np.arange(len(part))), reusable=None,
    train_step=lambda context: classifier_train_step(context, "image", cross_entropy(CLASSES), BATCH_SIZE),
    eval_step=lambda context: classifier_eval_step(context, "image", cross_entropy(CLASSES)))


def train_visits(config, part: Part, epoch: int) -> Visits:
    order = epoch_order(len(part), config.train.seed, epoch)
    return Visits(order, view_numbers(order, config.train.seed, epoch, effective_views(config.augment)), augmented=True)


def plain_visits(config, part: Part) -> Visits:
    return Visits(np.arange(len(part)), np.zeros(len(part), np.int64), augmented=False)


def pixels_of(part: Part, visits: Visits) -> np.ndarray:
    """View 1 is the mirror."""
    chosen = part.images[visits.index]
    return np.where(visits.view[:, None, None, None] == 1, chosen[:, :, ::-1], chosen)


def inputs_of(config, part: Part, visits: Visits, batch_size: int) -> tf.data.Dataset:
    part.asked += zip(visits.index.tolist(), visits.view.tolist(), strict=True)
    return tf.data.Dataset.from_tensor_slices(pixels_of(part, visits)).batch(batch_size)


def keys_of(config, part: Part, visits: Visits) -> np.ndarray:
    digests = [hashlib.sha256(image.tobytes()).digest()[:16] for image in pixels_of(part, visits)]
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)


def visited_batches(config, part: Part, visits: Visits, size: int) -> tf.data.Dataset:
    columns = {"image": pixels_of(part, visits), "label": part.labels[visits.index]}
    return tf.data.Dataset.from_tensor_slices(columns).batch(size)


CACHED_TASK: Task = replace(
    SMALL_TASK, name="small and cached",
    train_batches=lambda config, part, epoch, first_step: visited_batches(
        config, part, train_visits(config, part, epoch)[first_step * update_size(config):], update_size(config)),
    reusable=ReusableInputs(
        name="image", views=lambda config: effective_views(config.augment), train_visits=train_visits,
        eval_visits=plain_visits, inputs=inputs_of, targets=lambda config, part, visits: {
            "label": part.labels[visits.index]}, keys=keys_of, update_size=update_size,
        eval_size=lambda config: BATCH_SIZE))


def slow_layers(model, stops, *_, **__):
    """Nearly all time goes by in front of the first cut, so that it is worth keeping what any of them gives."""
    return [1 + 0.001 * number for number in range(len(stops) + 1)]


def small_plan(config: ImageClassificationConfig, model: keras.Model, phases, units=None,
               examples: int = EXAMPLES) -> CachePlan:
    """The same plan on every machine."""
    workload = Workload(examples, examples, effective_views(config.augment), lambda: None)
    where = "tfpt.training.prefix_cache.plan."
    with mock.patch(where + "measured_seconds", slow_layers), mock.patch(where + "estimated_seconds", slow_layers):
        return plan_cache(config.cache, workload, model, units or units_of(model), phases)


def dropout_model() -> keras.Model:
    return residual_model(dropout=0.3)


def small_job(folder: Path, config: ImageClassificationConfig = CONFIG, stop_signal=lambda: None, callbacks=(),
              task: Task = SMALL_TASK, build=dropout_model, splits: Splits | None = None,
              plan: CachePlan | None = None) -> Job:
    """Always the same model and data; dropout on, a freeze boundary after the first epoch. The cache is planned for
    tasks that have ``reusable`` unless a ``plan`` is given or its mode is off.
    """
    keras.utils.set_random_seed(7)
    model, splits = build(), splits or small_splits()
    units = task.units(model)
    phases = plan_phases(config.freeze, config.train.epochs, units)
    steps = -(-len(splits.train) // update_size(config))
    optimizer = make_optimizer(config.optimizer, ever_trainable(model, units, phases), steps, config.train.epochs,
                               config.train.precision)
    model.compile(optimizer=optimizer, auto_scale_loss=False)
    if plan is None:
        cached = task.reusable is not None and config.cache.mode != "off"
        plan = (small_plan(config, model, phases, units, len(splits.train)) if cached
                else CachePlan(phases=(None,) * len(phases)))
    optimizers = {"only": (optimizer, optimizer._trainable_variables)}
    return Job(task, config, splits, model, units, phases, optimizers, steps, folder / "checkpoints",
               folder / "metrics.jsonl", folder / "tensorboard", callbacks, Screen(quiet=True), stop_signal, plan,
               average=make_average(config, optimizers))


def small_splits() -> Splits:
    return Splits(images(0), images(1), images(2), {}, "", "")
