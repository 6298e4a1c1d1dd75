"""The cache's plan: which cuts, where their rows are kept, and why there are none."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.training.small_jobs import CACHED_CONFIG, dropout_model, small_plan
from tests.training.small_models import units_of
from tfpt.config.shared import CacheConfig, FreezeConfig, PhaseConfig
from tfpt.errors import RunError
from tfpt.training.freezing import plan_phases
from tfpt.training.graph_runner import graph_runner
from tfpt.training.prefix_cache import plan as planning
from tfpt.training.prefix_cache.choice import Option, PhaseCosts
from tfpt.training.prefix_cache.plan import CachePlan, weigh

EXAMPLES = 4096  # 2 views and validation: 12,288 rows of 1,024 bytes of block_1_add, 16 of head_pool, in float32
WIDE, BOTH = 12_288 * 1024, 12_288 * (1024 + 16)


def planned(freeze=CACHED_CONFIG.freeze, model=None, epochs=4, **cache):
    config = replace(CACHED_CONFIG, freeze=freeze, cache=CacheConfig(**{"dtype": "float32", **cache}))
    model = model or dropout_model()
    units = units_of(model)
    return small_plan(config, model, plan_phases(freeze, epochs, units), examples=EXAMPLES)


def steps(*pairs):
    return tuple(PhaseConfig(from_epoch=epoch, unfreeze=unfreeze) for epoch, unfreeze in pairs)


def cuts_of(plan):
    return [None if number is None else plan.cuts[number].name for number in plan.phases]


def test_both_phases_are_served_and_the_second_ones_rows_kept_from_the_start():
    plan = planned()
    assert cuts_of(plan) == ["head_pool", "block_1_add"]
    assert {cut.name: cut.ahead for cut in plan.cuts} == {"head_pool": False, "block_1_add": True}
    assert (plan.rows, plan.bytes, plan.dtype) == (12_288, BOTH, "float32")
    values = {cut.name: cut.values for cut in plan.cuts}
    assert values == {"head_pool": 4, "block_1_add": 256}
    assert 0.5 < plan.cuts[0].saved < plan.cuts[1].saved < 1


def test_it_comes_back_from_json_and_finds_its_cuts_in_a_model_built_again():
    model, rebuilt = dropout_model(), dropout_model()
    plan = planned(model=model)
    again = CachePlan.from_record(json.loads(json.dumps(plan.record())), 2)
    assert again == plan
    for cut in again.cuts:
        found, original = cut.find(rebuilt), cut.find(model)
        assert (found.name, found.values) == (cut.name, cut.values) == (original.name, original.values)
        assert found.tensors[0] is not original.tensors[0]
        graph_runner(rebuilt.inputs, found.tensors)
    nothing = planned(FreezeConfig(unfreeze="scratch", head_epochs=0))
    assert CachePlan.from_record(json.loads(json.dumps(nothing.record())), 1) == nothing


@pytest.mark.parametrize("change", [
    {"cuts": "x"}, {"cuts": [{}]}, {"phases": None}, {"phases": [0]}, {"phases": [0, 7]}, {"rows": None},
    {"dtype": "int8"},
    *({"cuts": [{"name": "a", "places": [[0, 0]], "values": 1, "saved": 0.5, "ahead": False, **wrong}]}
      for wrong in ({"values": None}, {"values": "x"}, {"saved": None}, {"places": "x"}, {"places": [[-1, 0]]}))])
def test_a_plan_that_nothing_of_ours_wrote_is_refused(change):
    record = json.loads(json.dumps(planned().record()))
    with pytest.raises(RunError, match="should hold the plan of its prefix cache"):
        CachePlan.from_record({**record, **change}, 2)


@pytest.mark.parametrize("mode, where, kept", [
    ("auto", "memory", True), ("memory", "memory", False), ("disk", "disk", True)])
def test_where_rows_go_is_as_asked(mode, where, kept):
    plan = planned(mode=mode)
    assert (plan.where, plan.kept) == (where, kept) and len(plan.cuts) == 2


def test_what_fits_neither_memory_nor_disk_takes_less():
    no_room_for_both = planned(mode="memory", budget_mb=BOTH // 2 ** 20)
    assert cuts_of(no_room_for_both) == ["head_pool", "block_1_add"] and no_room_for_both.bytes == WIDE
    assert not any(cut.ahead for cut in no_room_for_both.cuts)
    assert cuts_of(planned(mode="memory", budget_mb=1)) == ["head_pool", None]


def test_auto_goes_to_disk_where_memory_would_be_much_slower():
    head_only = FreezeConfig(unfreeze=0, head_epochs=0)
    plan = planned(head_only, mode="auto", budget_mb=0, epochs=40)
    assert plan.where == "disk" and plan.kept and cuts_of(plan) == ["head_pool"]
    assert planned(head_only, mode="auto", budget_mb=0, epochs=40, max_gb=0).cuts == ()


def test_in_memory_what_there_is_no_room_for_on_disk_is_not_kept():
    plan = planned(mode="auto", max_gb=1e-4)
    assert plan.where == "memory" and not plan.kept and len(plan.cuts) == 2


def test_narrower_rows_take_fewer_bytes():
    assert planned(dtype="float16").bytes == planned(dtype="bfloat16").bytes == BOTH // 2


@pytest.mark.parametrize("options, words", [
    ({"freeze": FreezeConfig(unfreeze="scratch", head_epochs=0)}, "everything trains"),
    ({"mode": "memory", "budget_mb": 0}, "cache.budget_mb"),
    ({"mode": "disk", "max_gb": 0}, "cache.max_gb")], ids=str)
def test_without_a_cut_it_says_why(options, words):
    plan = planned(**options)
    assert plan.cuts == () and set(plan.phases) == {None} and words in plan.why


def test_rows_that_many_trainings_share_are_worth_it_where_those_of_one_are_not():
    """Each phase sees its rows once; to read them takes half as long as to compute them, but all come of one pass."""
    costs = [PhaseCosts((), 100, 100, 0.0, 0.0)]
    costs += [PhaseCosts((Option(stop, 5_000_000, 0.01),), 100, 100, 0.01, 0.0) for stop in range(3)]
    config = CacheConfig(mode="memory", budget_mb=0)
    assert "hardly any time" in weigh(config, None, [], costs).why
    assert "cache.budget_mb" in weigh(config, None, [], costs, lasting=True).why


def test_a_disk_that_is_full_or_cannot_be_written_has_no_room(own_cache, monkeypatch):
    monkeypatch.setattr(planning.os, "access", lambda *_: False)
    assert planned(mode="disk").cuts == () and not planned(mode="auto").kept
    monkeypatch.undo()
    monkeypatch.setattr(planning.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    assert planned(mode="disk").cuts == () and not planned(mode="auto").kept


def test_a_shrinking_schedule_computes_what_it_may():
    plan = planned(FreezeConfig(phases=steps((1, 10), (3, 5))))
    assert cuts_of(plan) == ["block_0_add", "block_1_add"] and not any(cut.ahead for cut in plan.cuts)
