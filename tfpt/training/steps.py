"""Train and evaluation steps for a classifier, and the ``tf.function`` that runs many steps in one call."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfpt.task import Batch, Step, StepContext, Totals
from tfpt.training.losses import TARGET_NAMES, LossPerExample, Targets, loss_of_targets, main_label


def many_steps(step: Step) -> Any:
    """``call(iterator, step_count, totals) -> totals``: runs ``step`` on ``step_count`` batches, adding up totals.

    ``step_count`` is an int32 scalar tensor. One trace serves any number of steps, and results don't depend on how
    steps are grouped into calls: totals go in and out, so that they are added up in one order.
    """

    @tf.function
    def call(iterator: Any, step_count: tf.Tensor, totals: Totals) -> Totals:
        for _ in tf.range(step_count):
            batch_totals = step(next(iterator))
            totals = {name: totals[name] + tf.cast(batch_totals[name], tf.float64) for name in totals}
        return totals

    return call


def in_pieces_of(size: int, step: Step, names: Sequence[str]) -> Step:
    """``step``, which only measures, on at most ``size`` examples at once: the same totals ``names`` to rounding."""

    def pieces(batch: Batch) -> Totals:
        totals = zero_totals(names)
        for start in tf.range(0, tf.shape(tf.nest.flatten(batch)[0])[0], size):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            piece_totals = step(tf.nest.map_structure(lambda tensor: tensor[start:start + size], batch))
            totals = {name: totals[name] + tf.cast(piece_totals[name], tf.float64) for name in names}
        return totals

    return pieces


def zero_totals(names: Sequence[str]) -> Totals:
    """Float64 scalars to begin an epoch with."""
    return {name: tf.constant(0.0, tf.float64) for name in names}


def classifier_totals(losses: tf.Tensor, labels: tf.Tensor, probabilities: tf.Tensor) -> Totals:
    """Sums over a batch. ``losses`` float32 [b], ``labels`` int32 [b], ``probabilities`` float32 [b, classes]."""
    hits = tf.equal(tf.argmax(probabilities, axis=-1, output_type=tf.int32), labels)
    correct = tf.reduce_sum(tf.cast(hits, tf.float32))
    return {"examples": tf.size(labels), "loss": tf.reduce_sum(losses), "correct": correct}


def classifier_eval_step(context: StepContext, input_name: str, loss_per_example: LossPerExample) -> Step:
    """A step that only measures, the whole model in inference mode."""

    def step(batch: Batch) -> Totals:
        probabilities = context.infer(batch[input_name])
        return classifier_totals(loss_per_example(batch["label"], probabilities), batch["label"], probabilities)

    return step


def classifier_train_step(context: StepContext, input_name: str, loss_per_example: LossPerExample,
                          micro_batch_size: int) -> Step:
    """A step that updates once per batch, from micro-batches of at most ``micro_batch_size`` examples.

    The gradient is that of the mean loss over the whole batch plus the layers' penalties, however it is cut. Examples
    may be mixed (``losses.Targets``); accuracy then counts the label with the larger share.
    """
    (name, optimizer), = context.optimizers.items()
    variables = context.trainable[name]

    def gradients_of(inputs: Any, targets: Targets, share: tf.Tensor) -> tuple[list[Any], Totals]:
        with tf.GradientTape() as tape:
            probabilities = context.forward(inputs)
            losses = loss_of_targets(loss_per_example, targets, probabilities)
            objective = share * sum(context.model.losses, tf.reduce_mean(losses))  # .losses: the layers' penalties
            scaled = optimizer.scale_loss(objective)
        gradients = tape.gradient(scaled, [variable.value for variable in variables],
                                  unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return gradients, classifier_totals(losses, main_label(targets), probabilities)

    def one_piece(batch: Batch) -> Totals:
        gradients, totals = gradients_of(batch[input_name], _targets_of(batch), tf.constant(1.0))
        optimizer.apply(gradients, variables)
        return totals

    def in_pieces(batch: Batch) -> Totals:
        inputs, targets, count = batch[input_name], _targets_of(batch), tf.size(batch["label"])
        gradients = [tf.zeros_like(variable.value) for variable in variables]
        totals = {key: tf.constant(0.0, tf.float64) for key in ("examples", "loss", "correct")}
        for start in tf.range(0, count, micro_batch_size):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)  # one micro-batch's memory, not ten's
            piece = slice(start, start + micro_batch_size)
            piece_targets = {key: target[piece] for key, target in targets.items()}
            share = tf.cast(tf.size(piece_targets["label"]) / count, tf.float32)
            piece_gradients, piece_totals = gradients_of(inputs[piece], piece_targets, share)
            gradients = [total + gradient for total, gradient in zip(gradients, piece_gradients)]
            totals = {key: totals[key] + tf.cast(piece_totals[key], tf.float64) for key in totals}
        optimizer.apply(gradients, variables)
        return totals

    return in_pieces if context.config.train.accumulation_steps > 1 else one_piece


def _targets_of(batch: Batch) -> Targets:
    return {key: batch[key] for key in TARGET_NAMES if key in batch}
