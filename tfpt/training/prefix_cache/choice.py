"""Which cut each freeze phase should use: pure arithmetic on measured seconds and on bytes."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

NEAR_BEST = 1.1
"""Of the plans that take at most this many times the least, one that caches most phases in the fewest bytes is taken:
times are noisy, and the narrow places of a network are the same for short runs and long ones, which then share rows."""

READ_BYTES_PER_SECOND = 1e9
"""Gathering rows and widening them to float32, on one core; measured between 0.8 and 1.5 GB/s."""

_MOST_PLANS = 20_000


@dataclass(frozen=True)
class Option:
    """A cut that a phase may use.

    Attributes:
        stop: its number, the same in every phase; deeper cuts have higher ones.
        row_bytes: bytes of one example.
        seconds: from an input to the cut, per example.
        valid_from: the first phase (from 0) in which no layer in front of the cut will change any more.
    """

    stop: int
    row_bytes: int
    seconds: float
    valid_from: int = 0


@dataclass(frozen=True)
class PhaseCosts:
    """What a phase asks for.

    Attributes:
        options: the cuts it may use; empty if nothing is frozen.
        passes: examples that go through the model in it, over all its epochs, validation included.
        rows: how many of them are different.
        frozen_seconds: from an input to where training begins, per example.
        other_seconds: everything behind that, per example.
    """

    options: tuple[Option, ...]
    passes: int
    rows: int
    frozen_seconds: float
    other_seconds: float


@dataclass(frozen=True)
class Choice:
    """A phase's cut; ``None`` computes everything for every batch. ``ahead``: its rows are kept from the first phase
    on, in the pass that computes the first phase's."""

    option: Option | None
    ahead: bool = False


Plan = Sequence[Choice]


@dataclass(frozen=True)
class Weights:
    """How plans are weighed: the seconds that one takes, and the bytes of its rows at the fullest moment."""

    seconds: Callable[[Plan], float]
    size: Callable[[Plan], int]


def weights_of(phases: Sequence[PhaseCosts], lasting: bool = False) -> Weights:
    """How plans for ``phases`` are weighed."""
    if lasting:
        return Weights(lambda plan: lasting_seconds(phases, plan), lambda plan: lasting_bytes(phases, plan))
    return Weights(lambda plan: plan_seconds(phases, plan), lambda plan: most_bytes(phases, plan))


def choose_cuts(phases: Sequence[PhaseCosts], budget_bytes: float, lasting: bool = False) -> list[Choice]:
    """The plan with the fewest seconds whose rows never take more than ``budget_bytes``, at most.

    Every plan is looked at, if there are at most ``_MOST_PLANS``; otherwise what is found step by step. ``phases``
    are those of one training, in their order; or, if rows are ``lasting``, of several that share them.
    """
    weights = weights_of(phases, lasting)
    each = [[Choice(None), *map(Choice, phase.options)] for phase in phases] if lasting else _choices(phases)
    if math.prod(map(len, each)) <= _MOST_PLANS:
        return _best(itertools.product(*each), weights, budget_bytes)
    plan = tuple(Choice(None) for _ in phases)
    while True:
        near = [plan, *_changed(plan, each)]
        affordable = [candidate for candidate in near if weights.size(candidate) <= budget_bytes]
        faster = min(affordable, key=weights.seconds)
        if weights.seconds(faster) >= weights.seconds(plan):
            return _best(near, weights, budget_bytes)
        plan = faster


def _best(plans: Iterable[tuple[Choice, ...]], weights: Weights, budget_bytes: float) -> list[Choice]:
    weighed = [(weights.seconds(plan), weights.size(plan), plan) for plan in plans]
    affordable = [(seconds, size, plan) for seconds, size, plan in weighed if size <= budget_bytes]
    fastest = min(seconds for seconds, _, _ in affordable)
    near = [(sum(choice.option is None for choice in plan), size, seconds, plan)
            for seconds, size, plan in affordable if seconds <= NEAR_BEST * fastest]
    return list(min(near, key=lambda candidate: candidate[:3])[3])


def _choices(phases: Sequence[PhaseCosts]) -> list[list[Choice]]:
    """What each phase may do."""
    each: list[list[Choice]] = []
    for number, phase in enumerate(phases):
        choices = [Choice(None)]
        for option in sorted(phase.options, key=lambda option: option.row_bytes):
            choices.append(Choice(option))
            if number and option.valid_from == 0 and phases[0].options:
                choices.append(Choice(option, ahead=True))
        each.append(choices)
    return each


def _changed(plan: tuple[Choice, ...], each: Sequence[Sequence[Choice]]) -> Iterator[tuple[Choice, ...]]:
    """``plan`` with one choice made otherwise in one phase, or in all that allow it from some phase on: rows that are
    used once don't pay, those that several phases share do."""
    for number, choices in enumerate(each):
        for choice in choices:
            yield (*plan[:number], choice, *plan[number + 1:])
            yield (*plan[:number], *(choice if choice in allowed else kept
                                     for kept, allowed in zip(plan[number:], each[number:], strict=True)))


def plan_seconds(phases: Sequence[PhaseCosts], plan: Plan) -> float:
    """The training's seconds under ``plan``, as far as they depend on it, and a guess at the rest."""
    built: dict[int, int] = {}
    seconds = 0.0
    for number, (phase, choice) in enumerate(zip(phases, plan, strict=True)):
        seconds += phase.passes * phase.other_seconds
        if choice.option is None:
            seconds += phase.passes * phase.frozen_seconds
            built = {stop: rows for stop, rows in built.items() if stop in _alive(plan, number)}
            continue
        wanted = [choice.option]
        if number == 0:
            wanted += [later.option for later in plan[1:] if later.ahead and later.option]
        missing = [option for option in wanted if built.get(option.stop, 0) < phase.rows]
        if missing:
            new_rows = phase.rows - min(built.get(option.stop, 0) for option in missing)
            seconds += new_rows * max(option.seconds for option in missing)
            built.update({option.stop: phase.rows for option in missing})
        seconds += phase.passes * (max(phase.frozen_seconds - choice.option.seconds, 0.0)
                                   + choice.option.row_bytes / READ_BYTES_PER_SECOND)
        built = {stop: rows for stop, rows in built.items() if stop in _alive(plan, number)}
    return seconds


def lasting_seconds(phases: Sequence[PhaseCosts], plan: Plan) -> float:
    """The same where rows last: one pass computes the rows of every cut that any phase uses."""
    used = [choice.option for choice in plan if choice.option]
    seconds = max((phase.rows for phase in phases), default=0) * max((option.seconds for option in used), default=0.0)
    for phase, choice in zip(phases, plan, strict=True):
        seconds += phase.passes * (phase.other_seconds + phase.frozen_seconds)
        if choice.option:
            seconds -= phase.passes * (min(phase.frozen_seconds, choice.option.seconds)
                                       - choice.option.row_bytes / READ_BYTES_PER_SECOND)
    return seconds


def lasting_bytes(phases: Sequence[PhaseCosts], plan: Plan) -> int:
    """The bytes of all cuts that any phase uses, together."""
    used = {choice.option.stop: choice.option.row_bytes for choice in plan if choice.option}
    return max((phase.rows for phase in phases), default=0) * sum(used.values())


def _alive(plan: Plan, number: int) -> dict[int, int]:
    """Bytes a row of every cut whose rows are held in phase ``number``, by stop."""
    held = [choice for choice in plan[number:number + 1] if choice.option]
    if plan[0].option is not None:
        held += [choice for choice in plan[number + 1:] if choice.ahead]
    return {choice.option.stop: choice.option.row_bytes for choice in held if choice.option}


def most_bytes(phases: Sequence[PhaseCosts], plan: Plan) -> int:
    """The bytes held at the fullest moment, every cut counted with the rows of the largest phase."""
    rows = max(phase.rows for phase in phases)
    return max(rows * sum(_alive(plan, number).values()) for number in range(len(plan)))
