"""Choosing cuts is arithmetic: the fastest plan that fits, the narrowest of those about as fast."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpt.training.prefix_cache import choice
from tfpt.training.prefix_cache.choice import (
    NEAR_BEST, Choice, Option, PhaseCosts, choose_cuts, lasting_bytes, lasting_seconds, most_bytes, plan_seconds)

DEEP, MIDDLE, SHALLOW = Option(3, 1000, 0.010), Option(2, 2000, 0.008), Option(1, 500, 0.004)
NOTHING = 1e-6


def phase(*options, passes=1000, rows=100, frozen=0.010, other=0.001):
    return PhaseCosts(options, passes, rows, frozen if options else 0.0, other)


def stops(choices):
    return [chosen.option.stop if chosen.option else None for chosen in choices]


def test_the_fastest_within_the_budget():
    only = phase(DEEP, SHALLOW)
    assert stops(choose_cuts([only], 100_000)) == [3]
    assert stops(choose_cuts([only], 99_999)) == [1]
    assert stops(choose_cuts([only], 49_999)) == stops(choose_cuts([only], 0)) == [None]


def test_of_plans_about_as_fast_the_narrowest():
    wide, narrow = Option(2, 4000, 0.010), Option(1, 100, 0.0099)
    assert stops(choose_cuts([phase(wide, narrow)], 1e9)) == [1]
    much_slower = Option(1, 100, 0.005)
    assert stops(choose_cuts([phase(wide, much_slower)], 1e9)) == [2]


def test_what_costs_little_is_kept_for_a_later_run_though_nothing_comes_again_in_this_one():
    assert stops(choose_cuts([phase(DEEP, passes=100, rows=100)], 1e9)) == [3]
    wide = Option(3, 10 ** 7, 0.010)
    assert stops(choose_cuts([phase(wide, passes=100, rows=100)], 1e12)) == [None]


def test_a_later_cut_is_kept_ahead_if_there_is_room_for_both_and_computed_again_if_not():
    first, second = phase(DEEP, frozen=0.010), phase(MIDDLE, frozen=0.008, passes=2000)
    roomy = choose_cuts([first, second], 300_000)
    assert stops(roomy) == [3, 2] and roomy[1].ahead and most_bytes([first, second], roomy) == 300_000
    tight = choose_cuts([first, second], 299_999)
    assert stops(tight) == [3, 2] and not tight[1].ahead and most_bytes([first, second], tight) == 200_000


def test_a_cut_whose_layers_still_change_is_not_kept_ahead():
    later = Option(2, 2000, 0.008, valid_from=1)
    chosen = choose_cuts([phase(SHALLOW, frozen=0.004), phase(later, frozen=0.008, passes=2000)], 1e9)
    assert stops(chosen) == [1, 2] and not chosen[1].ahead


def test_nothing_is_kept_ahead_where_the_first_phase_runs_no_inputs_for_a_cut():
    chosen = choose_cuts([phase(), phase(DEEP, passes=2000)], 1e9)
    assert stops(chosen) == [None, 3] and not chosen[1].ahead


def test_phases_that_share_a_cut_compute_its_rows_once():
    phases = [phase(DEEP), phase(DEEP)]
    shared, alone = plan_seconds(phases, [Choice(DEEP)] * 2), plan_seconds(phases[:1], [Choice(DEEP)])
    assert 2 * alone - shared == pytest.approx(100 * DEEP.seconds)
    grown = [phase(DEEP, rows=60), phase(DEEP, rows=100)]
    assert plan_seconds(grown, [Choice(DEEP)] * 2) == pytest.approx(shared)


def test_a_wide_row_costs_its_reading():
    assert stops(choose_cuts([phase(Option(1, 10 ** 8, 0.010), passes=1000, rows=10)], 1e12)) == [None]


def test_many_phases_are_planned_without_weighing_every_plan(monkeypatch):
    """Gradual unfreezing, a phase an epoch: three cuts in each of twenty phases would be 10 ** 12 plans."""
    weighed = itertools.count(1)
    monkeypatch.setattr(choice, "plan_seconds", lambda *plan: plan_seconds(*plan) if next(weighed) < 10 ** 5 else 1 / 0)
    options = tuple(Option(stop, 1000 - stop, 0.001 * stop) for stop in range(9, 5, -1))
    once = [phase(*options, rows=100, passes=100)] * 20
    assert stops(choose_cuts(once, 1e9)) == [9] * 20, "no phase alone would pay"
    assert stops(choose_cuts(once, 0)) == [None] * 20


OPTIONS = st.builds(Option, st.integers(0, 5), st.integers(1, 5000), st.floats(1e-5, 0.1), st.integers(0, 2))
PHASES = st.lists(st.builds(
    lambda options, passes, rows, other: PhaseCosts(
        tuple(options), passes, rows, max((option.seconds for option in options), default=0.0), other),
    st.lists(OPTIONS, max_size=3, unique_by=lambda option: option.stop), st.integers(1, 5000), st.integers(1, 500),
    st.floats(0, 0.1)), min_size=1, max_size=3)


def brute_force(phases, budget):
    """Every plan that is allowed: its seconds, how many phases have no cut, and its bytes."""
    each = []
    for number, costs in enumerate(phases):
        choices = [Choice(None)] + [Choice(option) for option in costs.options]
        if number and phases[0].options:
            choices += [Choice(option, ahead=True) for option in costs.options if option.valid_from == 0]
        each.append(choices)
    return [(plan_seconds(phases, plan), stops(plan).count(None), most_bytes(phases, plan))
            for plan in itertools.product(*each) if most_bytes(phases, plan) <= budget]


@settings(max_examples=60, deadline=None)
@given(phases=PHASES, budget=st.one_of(st.just(0), st.integers(0, 3 * 10 ** 6)))
def test_never_over_budget_and_never_much_slower_than_the_best(phases, budget):
    chosen = choose_cuts(phases, budget)
    seconds, size = plan_seconds(phases, chosen), most_bytes(phases, chosen)
    plans = brute_force(phases, budget)
    fastest = min(seconds for seconds, *_ in plans)
    assert size <= budget and len(chosen) == len(phases)
    assert seconds <= NEAR_BEST * fastest + NOTHING
    near = [found for seconds, *found in plans if seconds <= NEAR_BEST * fastest]
    assert [stops(chosen).count(None), size] == min(near), "most phases cached, in the fewest bytes"
    for costs, found in zip(phases, chosen, strict=True):
        assert found.option is None or found.option in costs.options
    assert budget or stops(chosen) == [None] * len(phases)


@settings(max_examples=30, deadline=None)
@given(phases=PHASES, budget=st.one_of(st.just(0), st.integers(0, 3 * 10 ** 6)))
def test_step_by_step_it_is_never_over_budget_nor_slower_than_without(phases, budget):
    most, choice._MOST_PLANS = choice._MOST_PLANS, 0
    try:
        chosen = choose_cuts(phases, budget)
    finally:
        choice._MOST_PLANS = most
    assert most_bytes(phases, chosen) <= budget
    assert plan_seconds(phases, chosen) <= NEAR_BEST * plan_seconds(phases, [Choice(None)] * len(phases)) + NOTHING


def test_rows_that_last_are_all_held_and_computed_in_one_pass():
    phases = [phase(DEEP), phase(MIDDLE, frozen=0.008), phase(SHALLOW, frozen=0.004), phase()]
    chosen = choose_cuts(phases, 1e9, lasting=True)
    assert stops(chosen) == [3, 2, 1, None]
    assert lasting_bytes(phases, chosen) == 100 * (1000 + 2000 + 500)
    alone = [Choice(DEEP), Choice(None), Choice(None), Choice(None)]
    more = lasting_seconds(phases, chosen) - lasting_seconds(phases, alone)
    assert more == pytest.approx(-1000 * (0.008 + 0.004) + 1000 * 2500 / choice.READ_BYTES_PER_SECOND)


def test_rows_that_last_count_once_for_phases_that_share_a_cut():
    phases = [phase(DEEP, SHALLOW), phase(MIDDLE, SHALLOW, frozen=0.008)]
    assert stops(choose_cuts(phases, 300_000, lasting=True)) == [3, 2]
    assert stops(choose_cuts(phases, 299_999, lasting=True)) == [3, 1]
    assert stops(choose_cuts(phases, 99_999, lasting=True)) == [1, 1]


@settings(max_examples=100)
@given(st.lists(st.builds(
    lambda options, passes, rows: PhaseCosts(tuple(options), passes, rows, max((o.seconds for o in options), default=0),
                                             0.001),
    st.lists(st.builds(Option, st.integers(0, 4), st.integers(1, 10 ** 6), st.floats(0.0001, 0.01)), max_size=3),
    st.integers(1, 10 ** 5), st.integers(1, 10 ** 4)), min_size=1, max_size=4), st.floats(0, 1e10))
def test_rows_that_last_are_never_over_budget_nor_slower_than_none(phases, budget):
    chosen = choose_cuts(phases, budget, lasting=True)
    assert lasting_bytes(phases, chosen) <= budget
    none = [Choice(None)] * len(phases)
    assert lasting_seconds(phases, chosen) <= NEAR_BEST * lasting_seconds(phases, none) + NOTHING
