"""One plan for many trainings: every depth uses the deepest cut in front of which nothing has trained."""

import pytest

from tests.training.small_jobs import CACHED_CONFIG, EXAMPLES, slow_layers
from tests.training.small_models import residual_model, units_of
from tfpt.config.loading import with_values
from tfpt.training.freezing import plan_phases
from tfpt.training.prefix_cache.plan import Workload
from tfpt.training.prefix_cache.shared_plan import plan_shared_cache, training_plan


@pytest.fixture(autouse=True)
def cuts_are_worth_it(monkeypatch):
    for name in ("measured_seconds", "estimated_seconds"):
        monkeypatch.setattr(f"tfpt.training.prefix_cache.plan.{name}", slow_layers)


def phases_of(units, **freeze):
    config = with_values(CACHED_CONFIG, {f"freeze.{name}": value for name, value in freeze.items()}, "here")
    return plan_phases(config.freeze, config.train.epochs, units)


def planned(*schedules, **cache):
    model = residual_model()
    units = units_of(model)
    config = with_values(CACHED_CONFIG, {f"cache.{name}": value for name, value in cache.items()}, "here")
    workload = Workload(EXAMPLES, EXAMPLES, 2, lambda: None)
    every = [phases_of(units, **schedule) for schedule in schedules]
    shared = plan_shared_cache(config.cache, workload, model, units, every, trainings=10)
    return shared, [training_plan(shared, model, units, phases) for phases in every]


def names(plan):
    return [None if number is None else plan.cuts[number].name for number in plan.phases]


def test_every_depth_has_its_cut():
    shared, plans = planned({"unfreeze": 0}, {"unfreeze": 4}, {"unfreeze": 8}, {"unfreeze": "all"})
    assert [names(plan) for plan in plans] == [
        ["head_pool"], ["head_pool", "block_1_add"], ["head_pool", "block_0_add"], ["head_pool", None]]
    assert shared.lasting and shared.rows == 2 * EXAMPLES + EXAMPLES
    assert [plans[1].held(phase) for phase in (0, 1)] == [[2, 0, 1], [1, 0]]


def test_what_an_earlier_phase_has_trained_is_not_shared():
    _, (plan,) = planned({"unfreeze": None, "phases": [{"from_epoch": 1, "unfreeze": 4},
                                                       {"from_epoch": 2, "unfreeze": 0}]})
    assert names(plan) == ["block_1_add", "block_1_add"]


def test_what_a_depth_shares_before_a_deeper_phase_is_not_what_it_shares_after_it():
    _, (plan,) = planned({"unfreeze": None, "phases": [{"from_epoch": epoch, "unfreeze": unfreeze}
                                                       for epoch, unfreeze in ((1, 0), (2, 8), (3, 0))]})
    assert names(plan) == ["head_pool", "block_0_add", "block_0_add"]


def test_a_depth_that_was_not_planned_for_uses_a_cut_of_the_others():
    shared, _ = planned({"unfreeze": 0}, {"unfreeze": 8})
    model = residual_model()
    plan = training_plan(shared, model, units_of(model), phases_of(units_of(model), unfreeze=4))
    assert names(plan) == ["head_pool", "block_0_add"]


def test_without_room_nothing_is_planned():
    shared, plans = planned({"unfreeze": 0}, {"unfreeze": 4}, mode="memory", budget_mb=0)
    assert not shared.cuts and "budget_mb" in shared.why and names(plans[1]) == [None, None]


def test_where_everything_trains_there_is_nothing_to_share():
    shared, _ = planned({"unfreeze": "scratch"})
    assert not shared.cuts and "everything trains" in shared.why
