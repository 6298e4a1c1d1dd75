"""A run that is killed and resumed ends with the bits of one that was not, across a freeze boundary too; the prefix
cache, which is on unless it is switched off, changes nothing of what comes out.
"""

import json
import signal

import pytest

from tests.conformance.processes import finish, last_arrays, stop_at
from tfpt.registry import TASKS

SAVE_OFTEN = "train.checkpoint_seconds=0.001"


@pytest.fixture(scope="module", params=sorted(TASKS))
def whole(request, tmp_path_factory):
    """An uninterrupted run of the task's tiny recipe."""
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    finish(request.param, run_dir)
    return request.param, run_dir


def same_outcome(one, other):
    assert (one / "metrics.jsonl").read_text() == (other / "metrics.jsonl").read_text()
    assert last_arrays(one) == last_arrays(other)
    first, second = (json.loads((run / "run.json").read_text()) for run in (one, other))
    assert first["metrics"] == second["metrics"] and first["status"] == second["status"] == "finished"
    assert first["cache"]["cuts"] == second["cache"]["cuts"] != []


def test_killed_in_two_phases_and_resumed_it_ends_with_the_same_bits(whole, tmp_path):
    """The cache is empty at first: the first kill comes while rows are computed, which are then on disk in part."""
    task, uninterrupted = whole
    run_dir = tmp_path / "run"
    assert stop_at(task, run_dir, 1, signal.SIGKILL, SAVE_OFTEN) == -signal.SIGKILL
    assert stop_at(task, run_dir, 3, signal.SIGKILL, SAVE_OFTEN, "--resume") == -signal.SIGKILL
    finish(task, run_dir, "--resume")
    same_outcome(uninterrupted, run_dir)


def test_terminated_it_saves_says_so_and_goes_on(whole, tmp_path):
    task, uninterrupted = whole
    run_dir = tmp_path / "run"
    assert stop_at(task, run_dir, 2, signal.SIGTERM, SAVE_OFTEN) != 0
    assert json.loads((run_dir / "run.json").read_text())["status"] == "interrupted"
    finish(task, run_dir, "--resume")
    same_outcome(uninterrupted, run_dir)


@pytest.mark.parametrize("task", sorted(TASKS))
def test_without_the_cache_the_losses_are_the_same_to_rounding(task, tmp_path):
    finish(task, tmp_path / "off", "cache.mode=off")
    finish(task, tmp_path / "on", "cache.dtype=float32")
    assert json.loads((tmp_path / "on" / "run.json").read_text())["cache"]["cuts"]
    lines = [[json.loads(line) for line in (tmp_path / mode / "metrics.jsonl").read_text().splitlines()]
             for mode in ("on", "off")]
    for on, off in zip(*lines, strict=True):
        assert on == pytest.approx(off, rel=1e-4)
