"""Image classification: a pretrained backbone with a new head, on folders, CSV or idx files of images."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.paths import with_absolute_paths
from tfpt.data import image_pipeline, image_splits
from tfpt.data.augmentation import effective_views
from tfpt.data.mixing import mixing_settings, new_images_text
from tfpt.data.pipeline_errors import drawn
from tfpt.data.source import ImageSource
from tfpt.errors import ConfigError
from tfpt.evaluation.attribution import ClassScores
from tfpt.evaluation.classification import classifier_evaluation
from tfpt.evaluation.explanations import explanations
from tfpt.evaluation.mirrored import mirrored_average
from tfpt.evaluation.predictions import predict_probabilities, probability_batches
from tfpt.export.image_signatures import image_classifier_signatures
from tfpt.models import backbone, classifier, pretrained
from tfpt.models.families import family_of
from tfpt.task import (
    Adjustment, Answers, Evaluation, Explanation, LeftOut, Question, Requests, ReusableInputs, ServedModel, Splits,
    Step, StepContext, Task, Unit, Visits)
from tfpt.training.dropout import set_dropout_rate
from tfpt.training.losses import class_weights, cross_entropy
from tfpt.training.optimizers import make_optimizer
from tfpt.training.steps import classifier_eval_step, classifier_train_step

Config = ImageClassificationConfig
EVAL_BATCH_SIZE = 32  # of 64 large images the activations are hundreds of megabytes, and new memory takes time
MOST_HEAD_EPOCHS = 3


def image_size(config: Config) -> int:
    """The side in pixels of a resolved config."""
    assert config.data.image_size is not None
    return config.data.image_size


def data_seed(config: Config) -> int:
    """The seed of splits and views."""
    return config.train.seed if config.data.seed is None else config.data.seed


def resolve(config: Config) -> Config:
    """Fill what depends on the weights, and the freeze schedule that follows from them."""
    model, data = pretrained.resolve_weights(config.model, config.data)
    pretrained.check_weights(model)
    backbone.check_image_size(model.backbone, image_size(replace(config, data=data)))
    check_mixing(config)
    freeze = config.freeze
    if freeze.unfreeze is None and freeze.phases is None:
        freeze = replace(freeze, unfreeze="scratch" if model.weights == "none" else 10)
    if freeze.head_epochs is None:
        freeze = replace(freeze, head_epochs=min(round(0.3 * config.train.epochs), MOST_HEAD_EPOCHS))
    return with_absolute_paths(replace(config, model=model, data=data, freeze=freeze))


def sources(config: Config) -> Splits:
    splits = image_splits.image_splits(config.data, data_seed(config))
    weights_of_classes(config, splits.metadata)  # a weight for an unknown class is an error before anything is written
    return splits


def labelled(config: Config, metadata: Mapping[str, Any], path: str) -> tuple[ImageSource, list[LeftOut]]:
    return image_splits.labelled_images(path, metadata["class_names"], metadata["image_size"], config.data.memory_mb,
                                        config.data.data_dir)


def read_inputs(config: Config, metadata: Mapping[str, Any],
                inputs: Sequence[str]) -> tuple[ImageSource, list[LeftOut]]:
    return image_splits.unlabelled_images(inputs, metadata["image_size"], config.data.memory_mb, config.data.data_dir)


def build(config: Config, metadata: Mapping[str, Any]) -> Any:
    return classifier.build_classifier(config.model, metadata["image_size"], len(metadata["class_names"]))


def adjust_dropout(model: Any, rate: float) -> None:
    if rate > 0:  # else the layer has no random numbers, and drops nothing
        set_dropout_rate(model.get_layer("head_dropout"), rate)


def load_weights(config: Config, model: Any) -> None:
    pretrained.load_backbone_weights(model, config.model, image_size(config))


def check_mixing(config: Config) -> None:
    """Mixing takes two images: ConfigError if an update has one."""
    names = mixing_settings(config.augment)
    if names and update_size(config) == 1:
        raise ConfigError(f"{' and '.join(names)} mixes the images of a batch, but train.batch_size 1 with "
                          "train.accumulation_steps 1 leaves none to mix with. Raise one of them.")


def describe(config: Config, model: Any, metadata: Mapping[str, Any]) -> str:
    """Such as ``MobileNetV2 1.0 at 224 · imagenet weights · head 1280 → 128 → 7``."""
    features = backbone.backbone_layers(model)[-1].output.shape[-1]
    head = " → ".join(str(width) for width in (features, *config.model.head.units, len(metadata["class_names"])))
    source = str(config.model.weights)
    source = os.path.relpath(source) if os.path.isabs(source) else source
    weights = "no pretrained weights" if source == "none" else f"{source} weights"
    alpha = f" {config.model.alpha}" if config.model.alpha is not None else ""
    return f"{config.model.backbone}{alpha} at {metadata['image_size']} px · {weights} · head {head}"


def units(model: Any) -> list[Unit]:
    return [Unit(layer.name, (layer,)) for layer in backbone.backbone_layers(model)]


def optimizers(config: Config, model: Any, variables: Sequence[Any],
               steps_per_epoch: int) -> dict[str, tuple[Any, list[Any]]]:
    optimizer = make_optimizer(config.optimizer, variables, steps_per_epoch, config.train.epochs,
                               config.train.precision)
    return {"classifier": (optimizer, list(variables))}


def update_size(config: Config) -> int:
    """Examples per optimizer update."""
    return config.train.batch_size * config.train.accumulation_steps


def train_batches(config: Config, source: ImageSource, epoch: int, first_step: int) -> tf.data.Dataset:
    return image_pipeline.train_batches(
        source, image_size=image_size(config), augment=config.augment, seed=config.train.seed,
        data_seed=data_seed(config), epoch=epoch, first_step=first_step, batch_size=update_size(config))


def eval_batches(config: Config, source: ImageSource) -> tf.data.Dataset:
    return image_pipeline.eval_batches(source, image_size=image_size(config), batch_size=EVAL_BATCH_SIZE)


def train_visits(config: Config, source: ImageSource, epoch: int) -> Visits:
    return image_pipeline.epoch_visits(source, config.augment, config.train.seed, epoch)


def visit_inputs(config: Config, source: ImageSource, visits: Visits, batch_size: int) -> tf.data.Dataset:
    batches = image_pipeline.image_batches(source, visits, image_size=image_size(config), augment=config.augment,
                                           seed=data_seed(config), batch_size=batch_size)
    return batches.map(lambda batch: batch["image"])


def visit_targets(config: Config, source: ImageSource, visits: Visits) -> dict[str, np.ndarray]:
    return {"label": source.labels[visits.index].astype(np.int32)}


REUSABLE = ReusableInputs(
    name="image", views=lambda config: effective_views(config.augment), train_visits=train_visits,
    eval_visits=lambda config, source: image_pipeline.plain_visits(source), inputs=visit_inputs, targets=visit_targets,
    keys=lambda config, source, visits: image_pipeline.visit_keys(source, visits, config.augment, data_seed(config)),
    update_size=update_size, eval_size=lambda config: EVAL_BATCH_SIZE,
    obstacle=lambda config: new_images_text(config.augment))


def default_search(config: Config) -> dict[str, Any]:
    """How deep to unfreeze is a question only of weights that have learnt something."""
    rates = {"optimizer.learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"}}
    depths = [depth for depth in (0, 5, 10, 20, 40) if depth <= family_of(config.model.backbone).layers]
    return rates if config.model.weights == "none" else {**rates, "freeze.unfreeze": depths}


def weights_of_classes(config: Config, metadata: Mapping[str, Any]) -> np.ndarray | None:
    return class_weights(config.loss, metadata["class_names"], metadata["class_counts"])


def train_step(context: StepContext) -> Step:
    config, metadata = context.config, context.metadata
    loss = cross_entropy(len(metadata["class_names"]), config.loss.label_smoothing,
                         weights_of_classes(config, metadata), config.loss.focal_gamma)
    return classifier_train_step(context, "image", loss, config.train.batch_size)


def eval_step(context: StepContext) -> Step:
    return classifier_eval_step(context, "image", cross_entropy(len(context.metadata["class_names"])))


def metrics(totals: Mapping[str, float]) -> dict[str, float]:
    return {"loss": totals["loss"] / totals["examples"], "accuracy": totals["correct"] / totals["examples"]}


def rank(config: Config, validation: Mapping[str, float]) -> list[float]:
    """Higher accuracy, the lower loss breaking a tie; or lower loss alone, as ``train.best_metric`` says."""
    return [*([validation["accuracy"]] if config.train.best_metric == "accuracy" else []), -validation["loss"]]


def answers(config: Config, model: Any, source: ImageSource) -> Answers:
    return Answers(predict_probabilities(model, eval_batches(config, source)), source.labels)


def report(config: Config, model: Any, source: ImageSource, metadata: Mapping[str, Any]) -> Evaluation:
    said = answers(config, model, source)
    return classifier_evaluation(said.probabilities, said.labels, metadata["class_names"])


def show_training(config: Config, source: ImageSource, metadata: Mapping[str, Any],
                  count: int) -> list[tuple[np.ndarray, str]]:
    """The first images of the first epoch, augmented and mixed, with their classes."""
    batch = image_pipeline.first_training_images(
        source, image_size=image_size(config), augment=config.augment, seed=config.train.seed,
        data_seed=data_seed(config), count=count)
    names = metadata["class_names"]
    texts = [names[label] for label in batch["label"]]
    if "share" in batch:
        texts = [f"{share:.0%} {text}\n{1 - share:.0%} {names[other]}"
                 for text, share, other in zip(texts, batch["share"], batch["other_label"], strict=True)]
    return list(zip(batch["image"], texts, strict=True))


def predict(config: Config, model: Any, source: ImageSource, metadata: Mapping[str, Any],
            top: int) -> Iterator[dict[str, Any]]:
    """A line per image, batch by batch: its best label, and the ``top`` best with their scores."""
    names = iter(source.names)
    for probabilities in probability_batches(model, eval_batches(config, source)) if len(source) else ():
        for row in probabilities:
            best = np.argsort(-row, kind="stable")[:top]
            scores = [{"label": metadata["class_names"][index], "score": float(row[index])} for index in best]
            yield {"input": next(names), "label": scores[0]["label"], "score": scores[0]["score"], "top": scores}


def explain(config: Config, model: Any, source: ImageSource, metadata: Mapping[str, Any],
            question: Question) -> Iterator[Explanation]:
    model.trainable = False  # so that BatchNormalization is folded
    scores = ClassScores(model, classifier.feature_map(model))
    return explanations(scores, eval_batches(config, source) if len(source) else (), question)


def hand_on(config: Config, model: Any, metadata: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    description = pretrained.backbone_description(config.model, image_size(config), metadata)
    return backbone.extract_backbone(model), description


def signatures(config: Config, model: Any, metadata: Mapping[str, Any]) -> ServedModel:
    return image_classifier_signatures(model, model.get_layer("head_pool").output, metadata["image_size"],
                                       metadata["class_names"])


def requests(config: Config, source: ImageSource) -> Requests:
    return Requests(lambda first, stop: {"image_bytes": [source.encoded(index) for index in range(first, stop)]},
                    source.converted)


def network_inputs(config: Config, source: ImageSource) -> Iterator[Mapping[str, np.ndarray]]:
    for batch in drawn(eval_batches(config, source)):
        yield {"pixels": batch["image"].numpy().astype(np.float32)}


def expected(config: Config, model: Any, source: ImageSource) -> Mapping[str, np.ndarray]:
    return {"probabilities": predict_probabilities(model, eval_batches(config, source))}


TASK = Task(
    name="image_classification", config_class=ImageClassificationConfig, demo_recipe="image_classification/demo",
    resolve=resolve, sources=sources, labelled=labelled, read_inputs=read_inputs, build=build,
    load_weights=load_weights, describe=describe, units=units, optimizers=optimizers, train_batches=train_batches,
    eval_batches=eval_batches, reusable=REUSABLE, totals=("examples", "loss", "correct"), train_step=train_step,
    eval_step=eval_step, metrics=metrics, rank=rank, objectives={"accuracy": "max", "loss": "min"},
    adjustments={"model.head.dropout": Adjustment(kind=bool, apply=adjust_dropout)},
    default_search=default_search,
    headline=("loss", "accuracy", "macro_f1", "roc_auc", "weakest_class"), report=report,
    answers=answers, show=lambda source, index: source.load(index), show_training=show_training,
    mirrored=mirrored_average, predict=predict, hand_on=hand_on, signatures=signatures, requests=requests,
    network_inputs=network_inputs, expected=expected, explain=explain)
