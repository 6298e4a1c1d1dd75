import dataclasses
import json

import pytest

from tfpt.errors import RunError
from tfpt.training.job import LoopState
from tfpt.training.stored_state import check_state

STATE = LoopState(epoch=2, step=3, totals={"loss": 1.5}, history=[{"epoch": 1}], phase_digests=["ab"],
                  best={"epoch": 1, "value": [0.5, -1.0], "validation": {"loss": 1.0}}, widened=[0],
                  recoveries=[{"epoch": 1, "what": "diverged", "layer": None, "learning_rate": 0.5}])


@pytest.mark.parametrize("state", [LoopState(), STATE], ids=["fresh", "full"])
def test_what_a_training_writes_passes(state):
    check_state(json.loads(json.dumps(dataclasses.asdict(state))), "it", ("loss",))


def test_a_checkpoint_of_before_a_field_was_added_passes():
    check_state({"epoch": 1, "step": 0}, "it", ("loss",))


@pytest.mark.parametrize("change, reason", [
    ({"epoch": "2"}, "epoch of another type"), ({"epoch": True}, "epoch of another type"), ({"epoch": 0}, "epoch 0"),
    ({"step": -1}, "step -1"), ({"evil": 1}, "other fields"), ({"totals": {"loss": "x"}}, "totals of another type"),
    ({"history": [1]}, "history of another type"), ({"phase_digests": [1]}, "phase_digests"), ({"best": 5}, "best"),
    ({"best": {"epoch": 1}}, "lacks a value"),
    ({"best": {"epoch": 1, "value": "x", "validation": {}}}, "lacks a value"),
    ({"best": {"epoch": 1, "value": [], "validation": {}}}, "lacks a value"),
    ({"best": {"epoch": 1, "value": 0.5, "validation": 1}}, "lacks a value"),
    ({"totals": {}}, "sums of its epoch"), ({"totals": {"loss": 1.0, "x": 1.0}}, "sums of its epoch"),
    ({"wall_seconds": {}}, "wall_seconds lack"), ({"callbacks": [{}]}, "state of a callback"),
    ({"callbacks": [{"class": "A", "attributes": 1}]}, "state of a callback"), ({"stopped_early": 1}, "stopped_early"),
    ({"recoveries": [{"batch_size": 2}]}, "journal"), ({"recoveries": [{"epoch": 1, "batch_size": 0}]}, "journal")])
def test_anything_else_is_refused(change, reason):
    with pytest.raises(RunError, match=reason):
        check_state({**dataclasses.asdict(STATE), **change}, "it", ("loss",))


@pytest.mark.parametrize("state", [None, [], "x", {}, {"epoch": 1}])
def test_what_is_no_state(state):
    with pytest.raises(RunError, match="other fields"):
        check_state(state, "it", ("loss",))
