"""Checkpoints: exact, whole or refused, the newest whole one first."""

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfpt.errors import CheckFailed, RunError
from tfpt.training import checkpoint
from tfpt.training.checkpoint import Snapshot

DESCRIPTION = [{"path": "dense/kernel", "shape": [3], "dtype": "float32"},
               {"path": "adam/iteration", "shape": [], "dtype": "int64"}]


def snapshot(epoch, step=0, value=1.5):
    arrays = [np.array([value, np.nextafter(np.float32(1), np.float32(2)), np.nan], "float32"), np.array(7, "int64")]
    return Snapshot({"epoch": epoch, "step": step, "best": {"value": [0.1 + 0.2]}}, arrays, [arrays[0] * 2])


def test_what_was_saved_comes_back_bit_for_bit(tmp_path):
    checkpoint.save(tmp_path, snapshot(1), DESCRIPTION)
    loaded, problems = checkpoint.load_newest(tmp_path, DESCRIPTION)
    assert problems == [] and loaded.state == snapshot(1).state
    for there, here in zip(loaded.arrays + loaded.best, snapshot(1).arrays + snapshot(1).best):
        assert there.tobytes() == here.tobytes() and there.dtype == here.dtype


def test_no_checkpoint_is_none(tmp_path):
    assert checkpoint.load_newest(tmp_path / "absent", DESCRIPTION) is None


def test_the_newest_by_epoch_and_step_wins_and_two_are_kept(tmp_path):
    for epoch, step in [(2, 5), (10, 0), (2, 40)]:  # written out of order: time says nothing
        checkpoint.save(tmp_path, snapshot(epoch, step), DESCRIPTION)
    assert checkpoint.load_newest(tmp_path, DESCRIPTION)[0].state["epoch"] == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00002-00000040", "00010-00000000"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_from_before_the_epoch_is_kept_beside_the_newest_two(tmp_path):
    for epoch, step in [(1, 0), (1, 9), (2, 3), (2, 5), (2, 7)]:
        checkpoint.save(tmp_path, snapshot(epoch, step), DESCRIPTION)
    assert names(tmp_path) == ["00001-00000009", "00002-00000005", "00002-00000007"]
    assert checkpoint.load_newest(tmp_path, DESCRIPTION, before_epoch=2)[0].state["step"] == 9
    assert checkpoint.load_newest(tmp_path, DESCRIPTION, before_epoch=1) is None
    checkpoint.save(tmp_path, snapshot(3), DESCRIPTION)
    assert names(tmp_path) == ["00002-00000007", "00003-00000000"]


def test_what_came_after_the_beginning_of_an_epoch_is_forgotten(tmp_path):
    for epoch, step in [(2, 0), (2, 5), (3, 0)]:
        (tmp_path / f"{epoch:05d}-{step:08d}").mkdir()
    checkpoint.remove_later(tmp_path, 2)
    assert names(tmp_path) == ["00002-00000000"]


def test_six_digits_of_epochs_come_after_five(tmp_path):
    for epoch in (99_998, 99_999, 100_000):
        checkpoint.save(tmp_path, snapshot(epoch), DESCRIPTION)
    assert checkpoint.load_newest(tmp_path, DESCRIPTION)[0].state["epoch"] == 100_000
    assert names(tmp_path) == ["100000-00000000", "99999-00000000"]


@pytest.mark.parametrize("kept, expected, fits", [
    ("scale_1/variable_90", "scale_1/variable_108", True), ("b_variable_7_average", "b_variable_average", True),
    ("adam/variable_9_momentum", "adam/variable_momentum", True),
    ("scale_1/variable_90", "scale_1/gamma", False), ("adam/variable_9_momentum", "adam/variable_9_velocity", False)])
def test_variables_without_a_name_of_their_own_have_another_number_elsewhere(tmp_path, kept, expected, fits):
    one, other = ([{"path": path, "shape": [3], "dtype": "float32"}, DESCRIPTION[1]] for path in (kept, expected))
    checkpoint.save(tmp_path, snapshot(1), one)
    if fits:
        assert checkpoint.load_newest(tmp_path, other)[0].state == snapshot(1).state
    else:
        with pytest.raises(RunError, match=f"is {kept} .* has {expected} "):
            checkpoint.load_newest(tmp_path, other)


@pytest.mark.parametrize("file", ["state.npz", "best.npz", "manifest.json", "sha256.json"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "remove"])
def test_a_damaged_one_is_passed_over_and_named(tmp_path, file, damage):
    checkpoint.save(tmp_path, snapshot(1), DESCRIPTION)
    victim = checkpoint.save(tmp_path, snapshot(2), DESCRIPTION) / file
    contents = bytearray(victim.read_bytes())
    if damage == "remove":
        victim.unlink()
    else:
        contents[len(contents) // 2] ^= 1 if damage == "flip" else 0
        victim.write_bytes({"truncate": contents[:-20], "flip": contents, "empty": b""}[damage])
    loaded, problems = checkpoint.load_newest(tmp_path, DESCRIPTION)
    assert loaded.state["epoch"] == 1 and "00002-00000000" in problems[0]


def test_when_all_are_damaged_it_says_so(tmp_path):
    (checkpoint.save(tmp_path, snapshot(1), DESCRIPTION) / "state.npz").write_bytes(b"")
    with pytest.raises(CheckFailed, match="sha256"):
        checkpoint.load_newest(tmp_path, DESCRIPTION)


def test_a_half_written_one_is_cleared_away(tmp_path):
    checkpoint.save(tmp_path, snapshot(1), DESCRIPTION)
    (tmp_path / "00002-00000000.tmp").mkdir()
    assert checkpoint.load_newest(tmp_path, DESCRIPTION)[0].state["epoch"] == 1
    assert not (tmp_path / "00002-00000000.tmp").exists()


@pytest.mark.parametrize("other", [
    DESCRIPTION[:1], [DESCRIPTION[0], {**DESCRIPTION[1], "dtype": "int32"}],
    [{**DESCRIPTION[0], "shape": [4]}, DESCRIPTION[1]], [{**DESCRIPTION[0], "path": "dense/bias"}, DESCRIPTION[1]]])
def test_another_models_checkpoint_is_refused(tmp_path, other):
    checkpoint.save(tmp_path, snapshot(1), DESCRIPTION)
    with pytest.raises(RunError, match="another model or optimizer"):
        checkpoint.load_newest(tmp_path, other)


def test_object_arrays_are_never_unpickled(tmp_path):
    place = checkpoint.save(tmp_path, snapshot(1), DESCRIPTION)
    np.savez(place / "state.npz", np.array([{"a": 1}], dtype=object))
    digests = json.loads((place / "sha256.json").read_text())
    digests["state.npz"] = hashlib.sha256((place / "state.npz").read_bytes()).hexdigest()
    (place / "sha256.json").write_text(json.dumps(digests))
    with pytest.raises(CheckFailed, match="allow_pickle"):
        checkpoint.load_newest(tmp_path, DESCRIPTION)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("operations", range(6))
def test_killed_while_it_replaces_the_only_one_there_is_a_whole_one(tmp_path, operations):
    """By another of the same moment, as after going back to the beginning of an epoch."""
    checkpoint.save(tmp_path, snapshot(1, value=1.0), DESCRIPTION)
    done, monkey = [], pytest.MonkeyPatch()

    def counted(real):
        def operation(*arguments, **keywords):
            if len(done) == operations:
                raise Killed
            done.append(real)
            return real(*arguments, **keywords)
        return operation

    for owner, name in ((Path, "rename"), (Path, "mkdir"), (shutil, "rmtree"), (checkpoint, "sync_folder")):
        monkey.setattr(owner, name, counted(getattr(owner, name)))
    with pytest.raises(Killed):
        checkpoint.save(tmp_path, snapshot(1, value=2.0), DESCRIPTION)
    monkey.undo()
    loaded, problems = checkpoint.load_newest(tmp_path, DESCRIPTION)
    assert loaded.arrays[0][0] in (1.0, 2.0) and problems == []
    assert names(tmp_path) == ["00001-00000000"]


def test_the_one_just_written_stays_though_later_ones_are_there(tmp_path):
    for epoch, step in [(3, 1), (3, 2), (2, 5)]:
        checkpoint.save(tmp_path, snapshot(epoch, step), DESCRIPTION)
    assert names(tmp_path) == ["00002-00000005", "00003-00000001", "00003-00000002"]


@pytest.mark.parametrize("file", [checkpoint.DIGESTS, checkpoint.MANIFEST, checkpoint.ARRAYS])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_never_ends_is_not_read(tmp_path, file, kind):
    checkpoint.save(tmp_path, snapshot(1), DESCRIPTION)
    place = tmp_path / "00001-00000000" / file
    place.unlink()
    os.mkfifo(place) if kind == "pipe" else place.symlink_to("/dev/zero")
    with pytest.raises(CheckFailed, match="is no file of at most"):
        checkpoint.load_newest(tmp_path, DESCRIPTION)


def test_arrays_that_are_not_those_of_the_manifest_are_damage(tmp_path):
    made = snapshot(1)
    checkpoint.save(tmp_path, replace(made, arrays=[made.arrays[0][:2], made.arrays[1]]), DESCRIPTION)
    with pytest.raises(CheckFailed, match="state.npz holds other arrays than manifest.json says"):
        checkpoint.load_newest(tmp_path, DESCRIPTION)
