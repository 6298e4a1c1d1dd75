"""Splits a functional model where training begins: the frozen part runs in inference mode, the rest trains."""

from collections.abc import Callable, Sequence
from typing import Any

import keras


def boundary_tensors(model: keras.Model, training_layers: Sequence[keras.Layer]) -> list[Any]:
    """The KerasTensors that no training layer reaches and that a reached layer consumes, in the graph's order.

    They separate what is frozen from what trains, shortcuts included: every path from an input to a training layer
    goes through one of them. Empty where nothing trains.
    """
    chosen = {id(layer) for layer in training_layers}
    reached: dict[int, bool] = {}
    boundary: dict[int, Any] = {}

    def visit(tensor: Any) -> bool:
        if id(tensor) not in reached:
            layer, node_index, _ = tensor._keras_history
            parents = layer._inbound_nodes[node_index].input_tensors
            parents_reached = [visit(parent) for parent in parents]
            reached[id(tensor)] = id(layer) in chosen or any(parents_reached)
            if reached[id(tensor)]:
                boundary.update({id(parent): parent for parent, is_reached in zip(parents, parents_reached)
                                 if not is_reached})
        return reached[id(tensor)]

    for output in model.outputs:
        visit(output)
    return list(boundary.values())


def forward_for_training(model: keras.Model, training_layers: Sequence[keras.Layer]) -> Callable[[Any], Any]:
    """``suffix(prefix(inputs, training=False), training=True)`` as a function of the model's inputs.

    Dropout and BatchNormalization of frozen layers that nothing trainable stands before so give what they give in
    evaluation.
    """
    boundary = boundary_tensors(model, training_layers)
    if not boundary or {id(tensor) for tensor in boundary} <= {id(tensor) for tensor in model.inputs}:
        return lambda inputs: model(inputs, training=True)
    prefix = keras.Model(_bare(model.inputs), _bare(boundary))
    suffix = keras.Model(_bare(boundary), _bare(model.outputs))
    return lambda inputs: suffix(prefix(inputs, training=False), training=True)


def _bare(tensors: Sequence[Any]) -> Any:
    """A single tensor without its list, the structure that the model is called with."""
    return tensors[0] if len(tensors) == 1 else list(tensors)
