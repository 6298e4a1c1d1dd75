"""The collection of row folders: listed, checked and made smaller, while others may be at work on it."""

import os
import shutil

import numpy as np
import pytest

from tests.data.row_folder_files import ABOUT, ROW_BYTES, flip, keys_of, rows_of, segment, written
from tfpt.data import row_folders
from tfpt.data.row_files import RowFolder
from tfpt.data.row_folders import (
    evict, list_folders, prefix_directory, prefix_folder, remove_folders, verify_folders)


def make(name, *parts, used=1000):
    """A folder of that name with a segment for each of ``parts``, last used at that time."""
    folder = written(prefix_directory() / name, *parts)
    os.utime(folder / "about.json", (used, used))
    return folder


def names():
    return [summary.name for summary in list_folders()]


def size(folder):
    return sum(file.stat().st_size for file in folder.iterdir())


def test_there_may_be_no_cache_at_all(own_cache):
    assert list_folders() == [] and list(verify_folders()) == [] and evict(0, ()) == []
    own_cache.write_text("a file where the folder should be")
    assert list_folders() == []


def test_a_folder_s_name_follows_from_what_its_rows_depend_on():
    one, other = prefix_folder("block_15_add float16"), prefix_folder("block_15_add float32")
    assert one == prefix_folder("block_15_add float16") != other and one.parent == prefix_directory()
    assert one.name.isalnum() and len(one.name) == 16


def test_a_summary_tells_what_there_is_the_least_recently_used_first():
    make("b", range(3), range(3, 5), used=2000)
    folder = make("a", range(7), used=1000)
    first, second = list_folders()
    assert (first.name, first.rows, first.segments, first.last_used) == ("a", 7, 1, 1000)
    assert first.bytes == size(folder) and first.about == ABOUT
    assert (second.name, second.rows, second.segments) == ("b", 5, 2)


def test_what_is_damaged_is_listed_too():
    folder = make("a", range(7), range(7, 9))
    min(folder.glob("*.rows"), key=lambda file: file.stat().st_size).write_bytes(b"cut off")
    (folder / "about.json").write_text("{")
    (summary,) = list_folders()
    assert (summary.rows, summary.segments, dict(summary.about)) == (7, 2, {}) and summary.bytes == size(folder)
    (folder / "about.json").unlink()
    assert list_folders()[0].last_used == folder.stat().st_mtime


def test_folders_and_files_of_others_are_neither_listed_nor_removed(own_cache):
    folder, other = make("a", range(3)), prefix_directory() / "photos"
    other.mkdir()
    for place in (folder, other):
        (place / "holiday.jpg").write_text("mine")
    assert names() == ["a"]
    remove_folders(names())
    assert os.listdir(folder) == ["holiday.jpg"] and (other / "holiday.jpg").exists() and names() == []


def test_removing_tells_what_went_and_takes_unfinished_files_along():
    folder = make("a", range(3))
    writer = RowFolder(folder, ROW_BYTES, {})
    writer.append(keys_of([8]), rows_of([8]))
    expected = size(folder)
    (removed,) = remove_folders(["a"])
    assert removed.bytes == expected and removed.rows == 3 and not folder.exists()
    assert np.array_equal(writer.read(np.arange(4)), rows_of([0, 1, 2, 8]))
    writer.close()


def test_checking_removes_the_damaged_segments_alone():
    make("a", range(3))
    folder = make("b", range(3))
    victim = segment(folder)
    written(folder, range(3, 5))
    flip(victim, 0)
    whole, broken = verify_folders()
    assert (whole.name, whole.segments, whole.damaged) == ("a", 1, ())
    assert (broken.name, broken.segments, len(broken.damaged)) == ("b", 2, 1) and str(victim) in broken.damaged[0]
    assert not victim.exists() and [check.damaged for check in verify_folders()] == [(), ()]


@pytest.mark.parametrize(("room", "keep", "left"), [
    (3, (), ["old", "middle", "new"]), (2, (), ["middle", "new"]), (1, (), ["new"]), (0, (), []),
    (2, ("old",), ["old", "new"]), (0, ("middle", "new"), ["middle", "new"]),
    (0, ("old", "middle", "new"), ["old", "middle", "new"])])
def test_the_least_recently_used_goes_first_and_none_in_use(room, keep, left):
    bytes_each = {size(make(name, range(5), used=used)) for name, used in [("new", 30), ("old", 10), ("middle", 20)]}
    (one,) = bytes_each
    removed = evict(room * one, keep)
    assert names() == left and sorted(left + [folder.name for folder in removed]) == ["middle", "new", "old"]


def test_opening_a_folder_saves_it_from_being_the_next_to_go():
    make("a", range(5), used=10)
    make("b", range(5), used=20)
    RowFolder(prefix_directory() / "a", ROW_BYTES, ABOUT).close()
    evict(size(prefix_directory() / "a"), ())
    assert names() == ["a"]


def test_what_cannot_be_removed_is_passed_over_when_making_room(monkeypatch):
    make("a", range(5), used=10)
    make("b", range(5), used=20)
    real = row_folders.remove_folders

    def remove(chosen):
        if "a" in chosen:
            raise PermissionError
        return real(chosen)

    monkeypatch.setattr(row_folders, "remove_folders", remove)
    assert [folder.name for folder in evict(0, ())] == ["b"] and names() == ["a"]


def test_folders_that_vanish_meanwhile_are_no_error(monkeypatch):
    folder = make("a", range(3))
    found = [folder, prefix_directory() / "never"]
    files = list(folder.glob("*.rows"))
    shutil.rmtree(folder)
    monkeypatch.setattr(row_folders, "_folders", lambda: found)
    assert [summary.bytes for summary in list_folders()] == [0, 0]
    monkeypatch.setattr(row_folders, "segment_files", lambda _: files)
    assert [check.damaged for check in verify_folders()] == [(), ()]
    assert [summary.bytes for summary in list_folders()] == [0, 0] and len(remove_folders(["a", "never"])) == 2
