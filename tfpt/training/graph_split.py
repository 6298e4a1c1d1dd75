"""Where training begins in a functional model, and the places where what is frozen can be cut off.

A cut is a set of tensors that every path from the inputs to what trains goes through, shortcuts included.
"""

import inspect
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class Cut:
    """``tensors`` (KerasTensors) separate the frozen layers in front of them from all that comes behind."""

    tensors: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The layers that give the tensors, such as ``block_15_add``."""
        return " + ".join(tensor._keras_history.operation.name for tensor in self.tensors)

    @property
    def values(self) -> int:
        """How many numbers of one example pass here."""
        return sum(math.prod(tensor.shape[1:]) for tensor in self.tensors)


def graph_nodes(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """The calls of layers that lead from ``inputs`` to ``outputs`` (KerasTensors), in an order that can be run.

    The order is that of the graph alone: the same for every model built alike.

    Raises:
        ValueError: ``outputs`` need a model input that is not among ``inputs``.
    """
    given = {id(tensor) for tensor in inputs}
    placed: set[int] = set()
    order: list[Any] = []
    waiting = [(tensor, False) for tensor in reversed(outputs)]
    while waiting:  # depth first without recursion: a deep graph would exceed Python's stack
        tensor, parents_placed = waiting.pop()
        if id(tensor) in given:
            continue
        node = producer(tensor)
        if id(node) in placed:
            continue
        if node.is_input:
            raise ValueError(f"{tensor.name} is needed, but is not among the inputs")
        if parents_placed:
            placed.add(id(node))
            order.append(node)
        else:
            waiting.append((tensor, True))
            waiting += [(parent, False) for parent in reversed(node.input_tensors)]
    return order


def producer(tensor: Any) -> Any:
    """The call of a layer that gave ``tensor``."""
    operation, node_index, _ = tensor._keras_history
    return operation._inbound_nodes[node_index]


def takes_training(operation: Any) -> bool:
    """Whether a layer or operation may act otherwise in training: dropout, BatchNormalization, a nested model…"""
    return "training" in inspect.signature(operation.call).parameters


def reached_nodes(model: keras.Model, training_layers: Sequence[keras.Layer]) -> set[int]:
    """The ids of the calls that training reaches: what trains or is random in training, and all behind it."""
    starts = {id(layer) for layer in training_layers if layer.trainable_variables or takes_training(layer)}
    reached: set[int] = set()
    for node in graph_nodes(model.inputs, model.outputs):
        if id(node.operation) in starts or any(id(producer(parent)) in reached for parent in node.input_tensors):
            reached.add(id(node))
    return reached


def frozen_cuts(model: keras.Model, training_layers: Sequence[keras.Layer]) -> list[Cut]:
    """Cuts through the frozen part, from the inputs to where training begins; the last one is that boundary.

    Each is what is alive after one more layer has run. Left out are those with a tensor that a row of numbers can't
    stand for: a model input, one of unknown shape, one that isn't floating point, one with a mask.
    """
    nodes = graph_nodes(model.inputs, model.outputs)
    reached = reached_nodes(model, training_layers)
    frozen = [node for node in nodes if id(node) not in reached]
    last_use = _last_uses(model, nodes, frozen, reached)
    alive = [tensor for tensor in model.inputs if id(tensor) in last_use]
    cuts = []
    for place, node in enumerate(frozen):
        alive = [tensor for tensor in [*alive, *node.outputs] if last_use.get(id(tensor), -1) > place]
        if alive and all(_is_row(tensor) for tensor in alive):
            cuts.append(Cut(tuple(alive)))
    return cuts


def _last_uses(model: keras.Model, nodes: Sequence[Any], frozen: Sequence[Any],
               reached: Container[int]) -> Mapping[int, int]:
    """By id of a tensor: the place among ``frozen`` of its last consumer; what is reached comes after all of them."""
    places = {id(node): place for place, node in enumerate(frozen)}
    last_use: dict[int, int] = {}
    for node in nodes:
        place = len(frozen) if id(node) in reached else places[id(node)]
        for tensor in node.input_tensors:
            last_use[id(tensor)] = max(place, last_use.get(id(tensor), -1))
    last_use.update({id(tensor): len(frozen) for tensor in model.outputs})
    return last_use


def _is_row(tensor: Any) -> bool:
    known = tensor.shape[0] is None and None not in tensor.shape[1:] and keras.backend.is_float_dtype(tensor.dtype)
    return known and not producer(tensor).is_input and getattr(tensor, "_keras_mask", None) is None
