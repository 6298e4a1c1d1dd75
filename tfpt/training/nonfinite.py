"""Which layer of a model is the first to hold or give a number that isn't finite."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfpt.training.graph_split import graph_nodes, takes_training

SEARCH_SECONDS = 5.0
PIECE = 8
"""Examples at once: every activation of them is held."""


def first_nonfinite(model: keras.Model, batches: Iterable[Sequence[Any]]) -> str | None:
    """Such as ``head_output (weights)`` or ``block_3_add (output)``: the first in the order of the graph, or None.

    The layers in front of the first one whose weights aren't finite are run in inference mode on ``batches`` of inputs,
    a tensor for each of the model's, for about ``SEARCH_SECONDS``.
    """
    nodes = graph_nodes(model.inputs, model.outputs)
    sound = next((place for place, node in enumerate(nodes) if not _has_finite_weights(node)), len(nodes))
    until = time.monotonic() + SEARCH_SECONDS
    for batch in batches:
        for start in range(0, len(batch[0]), PIECE):
            found = _first_output(model, nodes[:sound], [tensor[start:start + PIECE] for tensor in batch])
            if found is not None:
                return found
        if time.monotonic() > until:
            break
    return f"{nodes[sound].operation.name} (weights)" if sound < len(nodes) else None


def _has_finite_weights(node: Any) -> bool:
    return all(_is_finite(weight.value) for weight in getattr(node.operation, "weights", ()))


def _first_output(model: keras.Model, nodes: Sequence[Any], inputs: Sequence[Any]) -> str | None:
    tensors = {id(tensor): tf.cast(value, tensor.dtype) for tensor, value in zip(model.inputs, inputs, strict=True)}
    if not all(map(_is_finite, tensors.values())):
        return "the model's input"
    for node in nodes:
        arguments, keywords = node.arguments.fill_in(tensors)
        if takes_training(node.operation):
            keywords["training"] = False
        results = keras.tree.flatten(node.operation(*arguments, **keywords))
        if not all(map(_is_finite, results)):
            return f"{node.operation.name} (output)"
        tensors.update({id(tensor): result for tensor, result in zip(node.outputs, results, strict=True)})
    return None


def _is_finite(tensor: Any) -> bool:
    return not tensor.dtype.is_floating or bool(tf.reduce_all(tf.math.is_finite(tensor)))
