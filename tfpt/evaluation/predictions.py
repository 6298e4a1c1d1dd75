"""Class probabilities of a model over batches."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpt.data.pipeline_errors import drawn
from tfpt.evaluation.what_fits import InWhatFits


def probability_batches(model: keras.Model, batches: tf.data.Dataset) -> Iterator[np.ndarray]:
    """Outputs of ``model`` in inference mode, float32 ``[batch, classes]``, one array per batch as it comes.

    ``batches`` yields mappings with the model's one input ``[batch, …]`` under any name, and maybe ``"label"``.
    """
    name = next(key for key in batches.element_spec if key != "label")
    size, run = 0, InWhatFits(_inference(model, batches.element_spec[name].dtype))
    for batch in drawn(batches):
        values, count = batch[name], len(batch[name])
        size = max(size, count)
        # A last, smaller batch would need kernels of its own, which take longer to make than its rows to compute.
        filled = tf.concat([values, tf.repeat(values[-1:], size - count, axis=0)], axis=0) if count < size else values
        yield run(filled)[:count]


def _inference(model: keras.Model, dtype: tf.DType) -> Any:
    """``model`` in inference mode on inputs of ``dtype``: traced once, which takes seconds, and then kept with it."""
    kept = model.__dict__.setdefault("_tfpt_inference", {})
    if dtype not in kept:
        @tf.function(input_signature=[tf.TensorSpec(model.inputs[0].shape, dtype)])
        def infer(values: tf.Tensor) -> tf.Tensor:
            return tf.cast(model(tf.cast(values, tf.float32), training=False), tf.float32)

        kept[dtype] = infer
    return kept[dtype]


def predict_probabilities(model: keras.Model, batches: tf.data.Dataset) -> np.ndarray:
    """Outputs of ``model`` for all ``batches`` in order, float32 ``[examples, classes]``; of no batches, 0 rows."""
    none = np.empty((0, model.outputs[0].shape[-1]), np.float32)
    return np.concatenate([none, *probability_batches(model, batches)])
