"""Room on the disk is asked for before a training, for what it is sure to write."""

import shutil
from types import SimpleNamespace

import keras
import pytest

from tfpt.errors import RunError
from tfpt.run_directory import Run
from tfpt.workflows.room import check_room

WEIGHTS = 4 * (100 * 50 + 50)


@pytest.fixture
def plan():
    model = keras.Sequential([keras.Input([100]), keras.layers.Dense(50)])
    optimizer = keras.optimizers.SGD(momentum=0.9)
    optimizer.build(model.trainable_variables)
    return SimpleNamespace(model=model, optimizers={"only": (optimizer, model.trainable_variables)})


def has_room(monkeypatch, plan, free, place, resumed=None, averaged=False):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(total=10**12, free=free))
    try:
        check_room(place, plan, resumed, 0.9 if averaged else None)
    except RunError:
        return False
    return True


def test_three_checkpoints_and_two_models(monkeypatch, plan, tmp_path):
    needed = 3 * (3 * WEIGHTS) + 2 * WEIGHTS  # of the model, the momentum, the best
    assert has_room(monkeypatch, plan, needed + 100, tmp_path) and not has_room(monkeypatch, plan, needed, tmp_path)
    needed += 3 * WEIGHTS
    assert has_room(monkeypatch, plan, needed + 100, tmp_path, averaged=True)
    assert not has_room(monkeypatch, plan, needed - 100, tmp_path, averaged=True)


def test_other_runs_and_other_files_are_no_room(monkeypatch, plan, tmp_path):
    for name in ("earlier/checkpoints/00001-00000000/state.npz", "mine/export/1/big", "mine/evaluation/big"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(bytes(20 * WEIGHTS))
    assert not has_room(monkeypatch, plan, WEIGHTS, tmp_path)
    run = Run(tmp_path / "mine")
    assert not has_room(monkeypatch, plan, WEIGHTS, run.path, resumed=run)
    (run.checkpoints / "00001-00000000").mkdir(parents=True)
    (run.checkpoints / "00001-00000000" / "state.npz").write_bytes(bytes(20 * WEIGHTS))
    assert has_room(monkeypatch, plan, WEIGHTS, run.path, resumed=run)


def test_it_says_what_is_missing(monkeypatch, plan, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(total=10**12, free=5))
    with pytest.raises(RunError, match=r"room for at least \d+.* Make room, or choose .* with --run-dir\."):
        check_room(tmp_path / "not" / "yet", plan, None, None)
    with pytest.raises(RunError, match=r"left\. Make room\.$"):
        check_room(tmp_path, plan, Run(tmp_path), None)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(total=0, free=0))
    check_room(tmp_path, plan, None, None)
