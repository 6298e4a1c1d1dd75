"""What a piece of a model computes, as a hash: the same for a model built again, another after any weight changed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfpt import __version__
from tfpt.training.graph_split import graph_nodes

_WITHOUT_EFFECT = ("name", "trainable")


def graph_signature(inputs: Sequence[Any], outputs: Sequence[Any], weights: bool = True,
                    digests: dict[int, bytes] | None = None) -> str:
    """sha256, in hexadecimal, over the layers from ``inputs`` to ``outputs``, how they are joined, and their weights.

    Layers count by class and config, without their names: Keras numbers those within a process. ``digests`` keeps
    those of the weights, by ``id``, for other pieces of the same model while no weight changes.
    """
    digest, digests = hashlib.sha256(), {} if digests is None else digests
    places = {id(tensor): f"input {number} {tensor.shape} {tensor.dtype}" for number, tensor in enumerate(inputs)}
    for number, node in enumerate(graph_nodes(inputs, outputs)):
        places.update({id(tensor): f"{number}.{output}" for output, tensor in enumerate(node.outputs)})
        arguments, keywords = keras.tree.map_structure(_exact, node.arguments.fill_in(places))
        text = json.dumps([_kind(node.operation), _config(node.operation), repr(arguments),
                           repr(sorted(keywords.items()))], sort_keys=True, default=repr)
        digest.update(text.encode())
        for weight in getattr(node.operation, "weights", []) if weights else []:
            if id(weight) not in digests:
                digests[id(weight)] = hashlib.sha256(np.ascontiguousarray(weight.numpy()).tobytes()).digest()
            digest.update(digests[id(weight)])
    digest.update(repr([places[id(tensor)] for tensor in outputs]).encode())
    return digest.hexdigest()


def _exact(argument: Any) -> Any:
    """An array's text leaves out what is in its middle."""
    if not hasattr(argument, "dtype") or not hasattr(argument, "shape"):
        return argument
    array = np.ascontiguousarray(keras.ops.convert_to_numpy(argument))
    return f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"


def _kind(operation: Any) -> str:
    kind = type(operation)
    version = f" {__version__}" if kind.__module__.startswith("tfpt.") else ""
    return f"{kind.__module__}.{kind.__qualname__}{version}"


def _config(operation: Any) -> Mapping[str, Any]:
    config = operation.get_config() if isinstance(operation, keras.Layer) else vars(operation)
    # A phase that trains BatchNormalization sets its momentum, which in front of a cut has no effect.
    without = (*_WITHOUT_EFFECT, *(["momentum"] if isinstance(operation, keras.layers.BatchNormalization) else []))
    return {name: _of_nested(value) for name, value in config.items() if name not in without and name[0] != "_"}


def _of_nested(value: Any) -> Any:
    """The config of layers within a layer, too, without whether they train."""
    if isinstance(value, Mapping):
        return {name: _of_nested(inner) for name, inner in value.items() if name != "trainable"}
    return [_of_nested(inner) for inner in value] if isinstance(value, (list, tuple)) else value
