"""What a classifier's answer rests on, by Grad-CAM (Selvaraju et al. 2017) and by integrated gradients (Sundararajan et
al. 2017).

Grad-CAM is of a class's score *before* softmax, as in its paper: the gradient of a probability vanishes where the model
is sure. Integrated gradients are of the probability, as in theirs: they follow it from where nothing is seen to where
the model is sure, and what is added to the scores of all classes alike, which changes no answer, doesn't count.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpt.errors import RunError
from tfpt.evaluation.what_fits import InWhatFits
from tfpt.training.graph_runner import graph_runner
from tfpt.training.graph_split import graph_nodes

OUTPUT_BYTES = 2**30
"""Of all layers' outputs, for the images whose gradients are computed at once; about half of them are in memory."""
MOST_AT_ONCE = 16  # more are no faster on a CPU


class ClassScores:
    """A classifier in two parts, from its inputs to ``features`` and from there to the scores before softmax.

    ``model`` has one input, float32 ``[batch, height, width, channels]``, and ends in a Dense layer with softmax, whose
    weights give the scores. All runs in inference mode; BatchNormalization that is not trainable is folded into the
    convolutions, as of now.

    Raises:
        RunError: the model ends otherwise.
    """

    def __init__(self, model: keras.Model, features: keras.KerasTensor):
        output = model.layers[-1]
        if not isinstance(output, keras.layers.Dense) or output.activation is not keras.activations.softmax:
            raise RunError(f"Expected a model that ends in a Dense layer with softmax, but found {output.name}, a "
                           f"{type(output).__name__}. Its scores before softmax aren't known, so that it "
                           "can't be explained.")
        self.input_shape = tuple(model.inputs[0].shape)
        outputs = [tensor for node in graph_nodes(model.inputs, model.outputs) for tensor in node.outputs]
        self.output_bytes = 4 * sum(math.prod(tensor.shape[1:]) for tensor in outputs)
        self._output = output
        self._to_features = graph_runner(model.inputs, [features], fold=True)
        self._to_hidden = graph_runner([features], [output.input], fold=True)

    def features(self, inputs: tf.Tensor) -> tf.Tensor:
        """``[batch, height, width, channels]``, of float32 ``inputs``."""
        return self._to_features(inputs)[0]

    def of_features(self, features: tf.Tensor) -> tf.Tensor:
        """float32 ``[batch, classes]``."""
        scores = tf.matmul(self._to_hidden(features)[0], self._output.kernel.value)
        return tf.nn.bias_add(scores, self._output.bias.value) if self._output.use_bias else scores


GradCam = Callable[[Any, int], tuple[np.ndarray, np.ndarray]]
IntegratedGradients = Callable[[Any, Any, int, int], np.ndarray]


def grad_cam(scores: ClassScores) -> GradCam:
    """A function from inputs (any numbers, ``[batch, height, width, channels]``) and a class, -1 for each one's
    likeliest, to the scores of all classes, float32 ``[batch, classes]``, and the Grad-CAM maps of that class, float32
    ``[batch, rows, columns]``, as large as the features and never negative: equations 1 and 2 of Selvaraju et al.
    """
    @tf.function(input_signature=[tf.TensorSpec(scores.input_shape, tf.float32), tf.TensorSpec([], tf.int32)])
    def compute(inputs: tf.Tensor, wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = scores.features(inputs)
        with tf.GradientTape() as tape:
            tape.watch(features)
            found = scores.of_features(features)
            likeliest = tf.argmax(found, axis=1, output_type=tf.int32)
            chosen = tf.gather(found, tf.where(wanted < 0, likeliest, wanted), batch_dims=1)
        weights = tf.reduce_mean(tape.gradient(chosen, features), axis=[1, 2], keepdims=True)
        return found, tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))

    run = InWhatFits(compute)
    return lambda inputs, wanted: run(tf.cast(inputs, tf.float32), tf.constant(wanted))


def integrated_gradients(scores: ClassScores) -> IntegratedGradients:
    """A function from an input and a baseline (any numbers, ``[height, width, channels]``), a class and a number of
    steps to the attributions of that class, float32 ``[height, width, channels]``.

    The gradient is taken at the middle of each step on the straight line from the baseline to the input, in pieces that
    memory has room for. Attributions sum to the class's probability for the input less that for the baseline, but for
    the error of so many steps (completeness); where input and baseline are equal they are 0.
    """
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32), *[tf.TensorSpec(scores.input_shape[1:])] * 2,
                                  tf.TensorSpec([], tf.int32)])
    def compute(places: tf.Tensor, image: tf.Tensor, baseline: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
        points = baseline + places[:, None, None, None] * (image - baseline)
        with tf.GradientTape() as tape:
            tape.watch(points)
            found = tf.nn.softmax(scores.of_features(scores.features(points)))[:, wanted]
        return tf.reduce_sum(tape.gradient(found, points), axis=0, keepdims=True)

    run = InWhatFits(compute, most=max(1, min(MOST_AT_ONCE, OUTPUT_BYTES // scores.output_bytes)))

    def attributions(image: Any, baseline: Any, wanted: int, steps: int) -> np.ndarray:
        image, baseline = np.asarray(image, np.float32), np.asarray(baseline, np.float32)
        places = ((np.arange(steps) + 0.5) / steps).astype(np.float32)
        mean = run(places, image, baseline, np.int32(wanted)).sum(axis=0) / steps
        return np.asarray((image - baseline) * mean, np.float32)

    return attributions
