"""The plan of the prefix cache: which cut every freeze phase uses, where its rows are kept, and what that saves."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from tfpt.config.shared import CacheConfig
from tfpt.data.cache_directory import cache_directory
from tfpt.errors import RunError
from tfpt.task import Unit
from tfpt.training.freezing import Phase
from tfpt.training.graph_split import Cut, graph_nodes, producer
from tfpt.training.prefix_cache.choice import Choice, Option, PhaseCosts, choose_cuts, weights_of
from tfpt.training.prefix_cache.costs import estimated_seconds, measured_seconds, multiply_accumulates
from tfpt.training.prefix_cache.stops import PhaseCuts, in_order, phase_cuts

DTYPE_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}
_FOREIGN_PLAN = ("The run's run.json should hold the plan of its prefix cache, but what it holds is none of this "
                 "model: something other than tfpt wrote it. Bring back the original, or start a new run.")
DISK_IS_FASTER = 1.05
"""Rows go to disk alone where what fits in memory would take this many times as long."""


@dataclass(frozen=True)
class PlannedCut:
    """A cut by name and by where its tensors are: the number of the call in ``graph_nodes``, and of its output.

    ``saved`` is the share of the forward pass's multiply-accumulates in front of it, ``ahead`` whether its rows are
    kept from the first phase on though a later phase is the first to use them.
    """

    name: str
    places: tuple[tuple[int, int], ...]
    values: int
    saved: float
    ahead: bool

    def find(self, model: keras.Model) -> Cut:
        """The cut in ``model``, which is built as the one that was planned for."""
        nodes = graph_nodes(model.inputs, model.outputs)
        if any(node >= len(nodes) or output >= len(nodes[node].outputs) for node, output in self.places):
            raise RunError(_FOREIGN_PLAN)
        return Cut(tuple(nodes[node].outputs[output] for node, output in self.places))


@dataclass(frozen=True)
class CachePlan:
    """``phases`` has the number of the cut in ``cuts`` that each phase uses, or None. Without cuts, ``why`` says why.

    ``where`` is memory or disk; ``kept`` whether rows are written for later runs; ``rows`` how many there may be of
    each cut. ``lasting`` rows are those of many trainings from the same weights, which share them; ``PrefixCache.fill``
    computes them beforehand.
    """

    cuts: tuple[PlannedCut, ...] = ()
    phases: tuple[int | None, ...] = ()
    where: str = "memory"
    kept: bool = False
    rows: int = 0
    dtype: str = "float16"
    bytes: int = 0
    why: str = ""
    lasting: bool = False

    def held(self, phase: int) -> list[int]:
        """The cuts whose rows there are in ``phase`` (from 0): its own first, then those kept ahead for later ones."""
        own = [number for number in self.phases[phase:phase + 1] if number is not None]
        if self.lasting:  # behind its own cut weights may have changed already
            return [*own, *(number for last in own for number in range(last))]
        later = [number for number in self.phases[phase + 1:] if number is not None and self.cuts[number].ahead
                 and number not in self.phases[:phase + 1]]
        return list(dict.fromkeys([*own, *later]))

    def record(self) -> dict[str, Any]:
        """As run.json keeps it."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], phases: int) -> "CachePlan":
        """The plan that ``record`` made for so many ``phases``. RunError: nothing of ours wrote it."""
        try:
            cuts = tuple(PlannedCut(**{**cut, "places": tuple(map(tuple, cut["places"]))}) for cut in record["cuts"])
            known = {name: record[name] for name in ("where", "kept", "rows", "dtype", "bytes", "why", "lasting")}
            plan = cls(cuts=cuts, phases=tuple(record["phases"]), **known)
            right = (plan.dtype in DTYPE_BYTES and isinstance(plan.rows, int) and len(plan.phases) == phases
                     and all(isinstance(cut.values, int) and isinstance(cut.saved, (int, float)) for cut in cuts)
                     and all(number is None or 0 <= number < len(cuts) for number in plan.phases)
                     and all(side >= 0 for cut in cuts for place in cut.places for side in place))
        except (KeyError, TypeError, ValueError):
            right = False
        if not right:
            raise RunError(_FOREIGN_PLAN)
        return plan


@dataclass(frozen=True)
class Workload:
    """What a training puts through the model: examples per epoch, the views of each, and a batch of inputs."""

    train_examples: int
    validation_examples: int
    views: int
    sample: Callable[[], Any]


@dataclass(frozen=True)
class Span:
    """How many ``epochs`` a phase takes, over all trainings that share rows, and the ``last_epoch`` that it reaches."""

    epochs: float
    last_epoch: int


def plan_cache(config: CacheConfig, workload: Workload, model: keras.Model, units: Sequence[Unit],
               phases: Sequence[Phase]) -> CachePlan:
    """Weigh the cuts of all phases by measured time under the byte budget. Leaves the layers as the last phase does.
    """
    cuts = phase_cuts(model, units, phases)
    stops = in_order(model, [cut for phase in cuts for cut in phase.cuts])
    if not stops:
        return CachePlan(phases=(None,) * len(phases), why="everything trains: no layer's output comes again")
    spans = [Span(phase.to_epoch - phase.from_epoch + 1, phase.to_epoch) for phase in phases]
    return weigh(config, model, stops, phase_costs(config, workload, model, cuts, stops, spans))


def weigh(config: CacheConfig, model: keras.Model, stops: Sequence[Cut], costs: Sequence[PhaseCosts],
          lasting: bool = False) -> CachePlan:
    """The plan of least cost, in memory or on disk; ``lasting`` as in ``choose_cuts``."""
    budget, room = config.budget_mb * 2**20, _room_on_disk(config)
    weights = weights_of(costs, lasting)
    in_memory, on_disk = choose_cuts(costs, budget, lasting), choose_cuts(costs, room, lasting)
    slow = weights.seconds(in_memory) > DISK_IS_FASTER * weights.seconds(on_disk)
    where = "disk" if config.mode == "disk" or (config.mode == "auto" and slow) else "memory"
    chosen = on_disk if where == "disk" else in_memory
    if not any(choice.option for choice in chosen):
        return CachePlan(phases=(None,) * len(costs), why=_why_none(config, costs, where, lasting))
    size = weights.size(chosen)
    planned = [stop for stop in range(len(stops)) if any(c.option and c.option.stop == stop for c in chosen)]
    return CachePlan(
        cuts=tuple(_planned(model, stops[stop], stop, chosen) for stop in planned),
        phases=tuple(planned.index(choice.option.stop) if choice.option else None for choice in chosen),
        where=where, kept=config.mode != "memory" and size <= room, rows=max(phase.rows for phase in costs),
        dtype=config.dtype, bytes=size, lasting=lasting)


def _why_none(config: CacheConfig, costs: Sequence[PhaseCosts], where: str, lasting: bool) -> str:
    if not any(choice.option for choice in choose_cuts(costs, float("inf"), lasting)):
        return "it would save hardly any time: little of what is frozen is seen twice"
    return ("there is no room on disk within cache.max_gb for any cut" if where == "disk"
            else f"cache.budget_mb {config.budget_mb} is too small for any cut")


def _planned(model: keras.Model, cut: Cut, stop: int, chosen: Sequence[Choice]) -> PlannedCut:
    places = {id(node): place for place, node in enumerate(graph_nodes(model.inputs, model.outputs))}
    saved = multiply_accumulates(model.inputs, cut.tensors) / max(multiply_accumulates(model.inputs, model.outputs), 1)
    return PlannedCut(
        cut.name, tuple((places[id(producer(tensor))], tensor._keras_history.tensor_index) for tensor in cut.tensors),
        cut.values, saved, any(choice.ahead and choice.option and choice.option.stop == stop for choice in chosen))


def phase_costs(config: CacheConfig, workload: Workload, model: keras.Model, cuts: Sequence[PhaseCuts],
                stops: Sequence[Cut], spans: Sequence["Span"]) -> list[PhaseCosts]:
    """What the phases of these ``cuts`` and ``spans`` ask for. ``stops`` are the different cuts, in order."""
    numbers = {tuple(map(id, stop.tensors)): number for number, stop in enumerate(stops)}
    bytes_each = DTYPE_BYTES[config.dtype]
    # How many different views have been seen at the end of each phase, at most, and all of validation.
    seen = [workload.train_examples * min(workload.views, span.last_epoch) + workload.validation_examples
            for span in spans]
    nothing_to_weigh = (all(len(phase.cuts) < 2 for phase in cuts)
                        and sum(stop.values for stop in stops) * bytes_each * max(seen) <= config.budget_mb * 2**20)
    seconds = (estimated_seconds(model, stops) if nothing_to_weigh
               else measured_seconds(model, stops, workload.sample, config.fold_batch_norm))
    costs = []
    for number, (span, found) in enumerate(zip(spans, cuts, strict=True)):
        options = [Option(numbers[tuple(map(id, cut.tensors))], cut.values * bytes_each,
                          seconds[numbers[tuple(map(id, cut.tensors))]], valid_from)
                   for cut, valid_from in zip(found.cuts, found.valid_from, strict=True)]
        frozen = options[0].seconds if options else 0.0
        passes = round(span.epochs * (workload.train_examples + workload.validation_examples))
        # Behind the boundary a training step goes forward and back, about three times the forward pass.
        costs.append(PhaseCosts(tuple(options), passes, seen[number], frozen, 3 * (seconds[-1] - frozen)))
    return costs


def _room_on_disk(config: CacheConfig) -> float:
    folder: Path = cache_directory()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return 0.0
    return min(config.max_gb * 1e9, 0.9 * shutil.disk_usage(folder).free)
