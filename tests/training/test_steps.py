"""Steps: grouping into calls and micro-batches changes nothing, the gradient is that of the whole batch."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpt.task import StepContext
from tfpt.training.losses import cross_entropy
from tfpt.training.steps import (
    classifier_eval_step, classifier_train_step, in_pieces_of, many_steps, zero_totals)

NAMES = ("examples", "loss", "correct")


def problem(accumulation_steps=1, l2=0.0, dropout=0.0):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, "relu", kernel_regularizer=keras.regularizers.L2(l2))(inputs)
    outputs = keras.layers.Dense(3, "softmax")(keras.layers.Dropout(dropout)(hidden))
    model = keras.Model(inputs, outputs)
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)
    config = SimpleNamespace(train=SimpleNamespace(accumulation_steps=accumulation_steps))
    return StepContext(config, {}, model, lambda x: model(x, training=True), lambda x: model(x, training=False),
                       {"only": optimizer}, {"only": model.trainable_variables})


def batches(batch_size, count=20):
    generator = np.random.default_rng(1)
    inputs, labels = generator.random((count, 4), "float32"), generator.integers(0, 3, count).astype("int32")
    return tf.data.Dataset.from_tensor_slices({"image": inputs, "label": labels}).batch(batch_size)


def mixed_batches(batch_size):
    """Every example has another label as well, and a share of its own."""
    shares = np.random.default_rng(2).random(20).astype("float32")
    pairs = tf.data.Dataset.zip(batches(20), tf.data.Dataset.from_tensors(shares))
    return pairs.map(lambda batch, share: {**batch, "other_label": tf.roll(batch["label"], 1, 0),
                                           "share": share}).unbatch().batch(batch_size)


def trained(context, data, micro_batch_size, groups):
    call = many_steps(classifier_train_step(context, "image", cross_entropy(3), micro_batch_size))
    iterator, totals = iter(data), zero_totals(NAMES)
    for group in groups:
        totals = call(iterator, tf.constant(group), totals)
    return context.model.get_weights(), {name: float(total) for name, total in totals.items()}


@pytest.mark.parametrize("groups", [[1, 1, 1, 1, 1], [2, 3], [4, 1]])
def test_how_steps_are_grouped_into_calls_changes_no_bit(groups):
    weights, totals = trained(problem(dropout=0.5), batches(4), 4, groups)
    expected_weights, expected_totals = trained(problem(dropout=0.5), batches(4), 4, [5])
    for ours, theirs in zip(weights, expected_weights):
        np.testing.assert_array_equal(ours, theirs)
    assert totals == expected_totals and totals["examples"] == 20


@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_accumulated_micro_batches_are_one_big_batch(l2):
    """The last batch, 8 of 12, falls into micro-batches of 5 and 3: each example counts the same all the same."""
    pieces, totals = trained(problem(accumulation_steps=3, l2=l2), batches(12), 5, [2])
    whole, expected = trained(problem(l2=l2), batches(12), 12, [2])
    for ours, theirs in zip(pieces, whole):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)
    assert totals == pytest.approx(expected)


def test_accumulated_micro_batches_of_mixed_examples_are_one_big_batch():
    pieces, totals = trained(problem(accumulation_steps=3), mixed_batches(12), 5, [2])
    whole, expected = trained(problem(), mixed_batches(12), 12, [2])
    for ours, theirs in zip(pieces, whole):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)
    assert totals == pytest.approx(expected)


def test_mixed_examples_train_as_soft_labels_do_in_keras_fit():
    context = problem()
    peer = keras.models.clone_model(context.model)
    peer.set_weights(context.model.get_weights())
    peer.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")

    def soft(batch):
        share = batch["share"][:, tf.newaxis]
        return batch["image"], share * tf.one_hot(batch["label"], 3) + (1 - share) * tf.one_hot(batch["other_label"], 3)

    history = peer.fit(mixed_batches(4).map(soft), verbose=0, shuffle=False).history
    weights, totals = trained(context, mixed_batches(4), 4, [5])
    for ours, theirs in zip(weights, peer.get_weights()):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert totals["loss"] / totals["examples"] == pytest.approx(history["loss"][0], rel=1e-5)


def test_accuracy_counts_the_label_with_the_larger_share():
    context = problem()
    batch = next(iter(mixed_batches(20).as_numpy_iterator()))
    main = np.where(batch["share"] >= 0.5, batch["label"], batch["other_label"])
    predicted = context.model(batch["image"], training=False).numpy().argmax(axis=1)
    _, totals = trained(context, mixed_batches(20), 20, [1])
    assert totals["correct"] == (predicted == main).sum()
    assert (predicted == main).sum() != (predicted == batch["label"]).sum()


def test_the_update_is_that_of_keras_fit():
    context = problem(l2=0.01)
    peer = keras.models.clone_model(context.model)
    peer.set_weights(context.model.get_weights())
    peer.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    peer.fit(batches(4).map(lambda batch: (batch["image"], batch["label"])), verbose=0, shuffle=False)
    weights, _ = trained(context, batches(4), 4, [5])
    for ours, theirs in zip(weights, peer.get_weights()):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_evaluation_measures_without_training():
    context = problem(dropout=0.5)
    before = context.model.get_weights()
    call = many_steps(classifier_eval_step(context, "image", cross_entropy(3)))
    totals = [call(iter(batches(8)), tf.constant(3), zero_totals(NAMES)) for _ in range(2)]
    assert float(totals[0]["loss"]) == float(totals[1]["loss"]) and float(totals[0]["examples"]) == 20
    for ours, theirs in zip(before, context.model.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    inputs, labels = (np.concatenate([batch[key].numpy() for batch in batches(8)]) for key in ("image", "label"))
    predicted = context.model(inputs, training=False).numpy().argmax(axis=1)
    assert float(totals[0]["correct"]) == (predicted == labels).sum()


@pytest.mark.parametrize("size", [1, 3, 8, 50])
def test_evaluation_in_pieces_gives_the_same_totals(size):
    """The last batch, 4 of 8, falls into pieces of other sizes."""
    context, seen = problem(), []
    step = classifier_eval_step(context, "image", cross_entropy(3))

    def watched(batch):
        tf.py_function(lambda count: seen.append(int(count)), [tf.size(batch["label"])], [])
        return step(batch)

    call, pieces = many_steps(step), many_steps(in_pieces_of(size, watched, NAMES))
    whole, found = (each(iter(batches(8)), tf.constant(3), zero_totals(NAMES)) for each in (call, pieces))
    assert {name: float(total) for name, total in found.items()} == pytest.approx(
        {name: float(total) for name, total in whole.items()}, rel=1e-6)
    assert max(seen) == min(size, 8) and sum(seen) == 20
