import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from tests.data.image_files import save_photo
from tfpt.data import known_files
from tfpt.data.check import check_images
from tfpt.data.image_workers import ImageWorkers
from tfpt.data.known_files import KnownFiles
from tfpt.data.listing import listed_files
from tfpt.data.notes import list_notes


def old_file(path, seed=0):
    save_photo(path, seed)
    hours_ago = time.time() - 7200
    os.utime(path, (hours_ago, hours_ago))
    return str(path)


@pytest.fixture
def known(tmp_path):
    path = old_file(tmp_path / "a.png")
    first = KnownFiles([path], ["1"])
    assert first.find(path, os.stat(path)) is None
    first.remember(path, os.stat(path), time.time() + 9, "ab" * 32, True)
    first.save()
    return path


def test_an_unchanged_file_is_known_to_the_next_run(known):
    assert KnownFiles([known], ["1"]).find(known, os.stat(known)) == ("ab" * 32, True)


def test_other_versions_know_nothing(known):
    assert KnownFiles([known], ["2"]).find(known, os.stat(known)) is None


@pytest.mark.parametrize("change", [
    lambda path: open(path, "ab").write(b"x"),
    lambda path: os.utime(path, (1, 1)),
    lambda path: (os.rename(path, path + "~"), old_file(Path(path))),
], ids=["longer", "touched", "another file of the same name"])
def test_a_changed_file_is_unknown(known, change):
    change(known)
    assert KnownFiles([known], ["1"]).find(known, os.stat(known)) is None


def test_a_file_that_has_just_changed_is_not_remembered(tmp_path):
    path = str(save_photo(tmp_path / "new.png"))
    fresh = KnownFiles([path], [])
    fresh.remember(path, os.stat(path), time.time(), "00" * 32, False)
    fresh.save()
    assert KnownFiles([path], []).find(path, os.stat(path)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"conditions": 3}', '{"conditions": [1, "1"], "files": []}'])
def test_a_damaged_note_is_no_note(known, text):
    (note, _, _), = list_notes()
    note.write_text(text)
    assert KnownFiles([known], ["1"]).find(known, os.stat(known)) is None


def test_names_of_any_bytes_are_kept(tmp_path):
    path = old_file(tmp_path / os.fsdecode(b"\xff\xe4.png"))
    first = KnownFiles([path], [])
    first.remember(path, os.stat(path), time.time() + 9, "00" * 32, False)
    first.save()
    assert KnownFiles([path], []).find(path, os.stat(path)) == ("00" * 32, False)


def test_the_second_check_of_a_data_set_decodes_what_is_new_and_no_more(tmp_path, monkeypatch):
    paths = [old_file(tmp_path / f"{number}.png", number) for number in range(6)]
    listed = listed_files([(path, "a") for path in paths], ["a"])
    monkeypatch.setattr(known_files, "SETTLED_SECONDS", -9)  # the time of change can't be set back
    tried = []
    real = ImageWorkers.check
    monkeypatch.setattr(ImageWorkers, "check", lambda workers, request, *others: tried.append(request.path) or real(
        workers, request, *others))
    first = check_images(listed, 8, memory_mb=10).source
    assert sorted(tried) == paths
    second = check_images(listed, 8, memory_mb=10).source
    assert second.pixels is None and np.array_equal(second.held, first.pixels)
    old_file(tmp_path / "2.png", seed=99)
    third = check_images(listed, 8, memory_mb=10).source
    assert tried[len(paths):] == [paths[2]]
    assert first.hashes == second.hashes != third.hashes
    same = (np.asarray(third.held) == np.asarray(first.pixels)).reshape(6, -1).all(axis=1)
    assert same.tolist() == [True, True, False, True, True, True]


def test_a_broken_file_is_looked_at_again_each_time(tmp_path):
    paths = [old_file(tmp_path / "a.png"), str(tmp_path / "b.png")]
    (tmp_path / "b.png").write_bytes(b"nothing")
    os.utime(tmp_path / "b.png", (1, 1))
    listed = listed_files([(path, "a") for path in paths], ["a"])
    for _ in range(2):
        assert [item.path for item in check_images(listed, 8, memory_mb=10).broken] == [paths[1]]


def test_a_converted_file_that_was_cleared_is_converted_again(tmp_path, monkeypatch):
    monkeypatch.setattr(known_files, "SETTLED_SECONDS", -9)
    path = old_file(tmp_path / "a.webp")
    listed = listed_files([(path, "a")], ["a"])
    converted = check_images(listed, 8, memory_mb=10).source.paths[0]
    note = json.loads(next(list_notes())[0].read_text())
    assert list(note["files"].values())[0][5] is True
    for damage in (os.unlink, lambda path: Path(path).write_bytes(b"PNG")):
        damage(converted)
        again = check_images(listed, 8, memory_mb=10)
        assert again.source.paths == (converted,) and not again.broken
        assert again.source.held[0].any()
