"""The cuts that are worth weighing, for all freeze phases together."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from tfpt.task import Unit
from tfpt.training.freezing import Phase, apply_phase
from tfpt.training.graph_split import Cut, frozen_cuts, graph_nodes, producer

MOST_OPTIONS = 4
NARROWER = 0.75
"""A cut in front of the boundary is of use only where it is clearly narrower."""


@dataclass(frozen=True)
class PhaseCuts:
    """The cuts that one phase may use, the one at its boundary first; none if nothing useful is frozen.

    ``valid_from`` has, for each, the first phase (from 0) that finds every layer in front of it as it will stay.
    """

    cuts: tuple[Cut, ...]
    valid_from: tuple[int, ...]


def phase_cuts(model: keras.Model, units: Sequence[Unit], phases: Sequence[Phase]) -> list[PhaseCuts]:
    """The useful cuts of every phase. Leaves the model's layers as the last phase has them."""
    found: list[PhaseCuts] = []
    last_trained: dict[int, int] = {}
    for number, phase in enumerate(phases):
        training = apply_phase(model, units, phase)
        useful = _useful(model, frozen_cuts(model, training))
        found.append(PhaseCuts(tuple(useful), tuple(_valid_from(model, cut, last_trained) for cut in useful)))
        # A layer counts by any weight that moves: BatchNormalization's statistics too.
        last_trained.update({id(layer): number for layer in training if layer.weights})
    return found


def _useful(model: keras.Model, cuts: Sequence[Cut]) -> list[Cut]:
    """From the boundary towards the input, those much narrower than all behind them. Scaling pixels is no work."""
    kept: list[Cut] = []
    for cut in reversed(cuts):
        weighted = any(layer.weights for layer in layers_in_front(model, cut))
        if weighted and (not kept or cut.values <= NARROWER * kept[-1].values):
            kept.append(cut)
    return kept[:MOST_OPTIONS]


def layers_in_front(model: keras.Model, cut: Cut) -> list[keras.Layer]:
    """The layers that lead to ``cut``."""
    nodes = graph_nodes(model.inputs, cut.tensors)
    return [node.operation for node in nodes if isinstance(node.operation, keras.Layer)]


def _valid_from(model: keras.Model, cut: Cut, last_trained: dict[int, int]) -> int:
    layers = layers_in_front(model, cut)
    return max((last_trained[id(layer)] + 1 for layer in layers if id(layer) in last_trained), default=0)


def in_order(model: keras.Model, cuts: Sequence[Cut]) -> list[Cut]:
    """The different ones among ``cuts``, from the inputs to the outputs."""
    places = {id(node): place for place, node in enumerate(graph_nodes(model.inputs, model.outputs))}
    unique = {tuple(map(id, cut.tensors)): cut for cut in cuts}
    return sorted(unique.values(), key=lambda cut: sorted((places[id(producer(tensor))] for tensor in cut.tensors),
                                                          reverse=True))
