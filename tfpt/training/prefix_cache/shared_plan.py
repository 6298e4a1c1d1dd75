"""One plan of the prefix cache for many trainings of a model from the same weights, such as a search's trials."""

from collections.abc import Sequence
from dataclasses import replace

import keras

from tfpt.config.shared import CacheConfig
from tfpt.task import Unit
from tfpt.training.freezing import Phase, apply_phase
from tfpt.training.graph_split import frozen_cuts
from tfpt.training.prefix_cache.plan import CachePlan, Span, Workload, phase_costs, weigh
from tfpt.training.prefix_cache.stops import PhaseCuts, in_order, layers_in_front, phase_cuts


def plan_shared_cache(config: CacheConfig, workload: Workload, model: keras.Model, units: Sequence[Unit],
                      schedules: Sequence[Sequence[Phase]], trainings: float) -> CachePlan:
    """The cuts for all ``trainings``, which divide evenly among ``schedules``; ``training_plan`` tells who uses which.

    Only what none of a schedule's earlier phases trains is shared. Every cut's rows are computed in one pass and held
    to the end.
    """
    cuts: dict[tuple[int, bool, int], PhaseCuts] = {}
    spans: dict[tuple[int, bool, int], Span] = {}
    for phases in schedules:
        for phase, found in zip(phases, phase_cuts(model, units, phases), strict=True):
            fresh = [number for number, valid_from in enumerate(found.valid_from) if valid_from == 0]
            # By what is left to share, too: after a deeper phase that is less than before it.
            kind = (phase.unfrozen, phase.batch_norm_trains, len(fresh))
            cuts[kind] = PhaseCuts(tuple(found.cuts[number] for number in fresh), (0,) * len(fresh))
            epochs = (phase.to_epoch - phase.from_epoch + 1) * trainings / len(schedules)
            before = spans[kind].epochs if kind in spans else 0
            spans[kind] = Span(before + epochs, last_epoch=workload.views)  # other seeds may see all views sooner
    stops = in_order(model, [cut for found in cuts.values() for cut in found.cuts])
    if not stops:
        return CachePlan(phases=(None,) * len(cuts), why="everything trains: no layer's output comes again")
    costs = phase_costs(config, workload, model, list(cuts.values()), stops, list(spans.values()))
    return weigh(config, model, stops, costs, lasting=True)


def training_plan(shared: CachePlan, model: keras.Model, units: Sequence[Unit], phases: Sequence[Phase]) -> CachePlan:
    """``shared`` for the training of these ``phases``: each uses the deepest cut in front of which nothing has trained.
    """
    cuts = [cut.find(model) for cut in shared.cuts]
    trained: set[int] = set()
    used: list[int | None] = []
    for phase in phases:
        training = apply_phase(model, units, phase)
        trained |= {id(layer) for layer in training if layer.weights}
        frozen = {tuple(map(id, cut.tensors)) for cut in frozen_cuts(model, training)}
        usable = [number for number, cut in enumerate(cuts) if tuple(map(id, cut.tensors)) in frozen
                  and not any(id(layer) in trained for layer in layers_in_front(model, cut))]
        used.append(max(usable, default=None))
    return replace(shared, phases=tuple(used))
