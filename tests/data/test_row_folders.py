"""The collection of row folders: listed, checked and made smaller, while others may be at work on it."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from tests.data.row_folder_files import ABOUT, ROW_BYTES, flip, holds, keys_of, opened, rows_of, segment, written
from tfpt.data import row_folders
from tfpt.data.row_files import RowFolder
from tfpt.data.row_folders import (
    evict, list_folders, prefix_directory, prefix_folder, remove_folders, verify_folders)


def make(name, *parts, used=1000):
    """A folder of that name with a segment for each of ``parts``, last used at that time."""
    folder = written(prefix_directory() / name, *parts)
    for file in folder.iterdir():
        os.utime(file, (used, used))
    return folder


def names():
    return [summary.name for summary in list_folders()]


def size(folder):
    return sum(file.stat().st_size for file in folder.iterdir())


def test_there_may_be_no_cache_at_all(own_cache):
    assert list_folders() == [] and list(verify_folders()) == [] and evict(0) == 0
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
    assert list_folders()[0].last_used == max(file.stat().st_mtime for file in folder.iterdir())


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


def use(folder, numbers):
    """A process takes these rows."""
    reader = opened(folder)
    assert reader.verified(reader.find(keys_of(numbers))).all()
    reader.close()


def left():
    """The rows that each folder still has."""
    found = {}
    for name in names():
        folder = opened(prefix_directory() / name)
        found[name] = np.flatnonzero(folder.find(keys_of(range(20))) >= 0).tolist()
        folder.close()
    return found


@pytest.fixture
def three():
    """Two segments in a, one in b, of like size, each used at another time; returns the bytes of one with its note."""
    for name, numbers, used in [("a", range(5), 10), ("b", range(5, 10), 20), ("a", range(10, 15), 30)]:
        before = set((prefix_directory() / name).glob("*.rows"))
        for file in set(written(prefix_directory() / name, numbers).glob("*.rows")) - before:
            os.utime(file, (used, used))
        os.utime(prefix_directory() / name / "about.json", (used, used))
    return size(prefix_directory() / "b")


@pytest.mark.parametrize(("room", "expected"), [
    (3, {"a": [*range(5), *range(10, 15)], "b": [*range(5, 10)]}), (2, {"a": [*range(10, 15)], "b": [*range(5, 10)]}),
    (1.5, {"a": [*range(10, 15)]}), (0.5, {}), (0, {})])
def test_the_least_recently_used_segment_goes_first_in_whatever_folder_it_is(three, room, expected):
    before = sum(folder.bytes for folder in list_folders())
    removed = evict(int(room * three))
    after = sum(folder.bytes for folder in list_folders())
    assert left() == expected and after <= room * three and removed == before - after


def test_a_folder_that_alone_is_above_the_limit_is_cut_down_to_it():
    folder = make("only", *(range(start, start + 5) for start in range(0, 50, 5)))
    room = size(folder) // 2
    evict(room, ["only"])
    assert room / 2 < size(folder) <= room and names() == ["only"]


def test_what_was_used_lately_stays(three):
    use(prefix_directory() / "a", range(5))
    evict(2 * three)
    assert left() == {"a": [*range(5), *range(10, 15)]}


def test_what_was_used_since_its_folder_was_opened_outlasts_what_others_used_later():
    mine = written(prefix_directory() / "mine", range(5))
    make("other", range(5), used=10**10)
    evict(size(mine), ["mine"])
    assert names() == ["mine"]


def test_rows_that_a_process_has_written_go_last_of_all_but_they_go():
    make("old", range(5), used=10)
    mine = written(prefix_directory() / "mine", range(5))
    evict(size(mine), ["mine"])
    assert names() == ["mine"]
    evict(size(mine) - 1, ["mine"])
    assert names() == [] and list(prefix_directory().iterdir()) == []


def test_a_long_training_counts_as_using_its_rows_whenever_it_finishes_some(three):
    training = opened(prefix_directory() / "a")
    training.verified(training.find(keys_of(range(5))))
    use(prefix_directory() / "b", range(5, 10))
    time.sleep(0.05)  # the clock of file times is that coarse
    training.finish()
    evict(int(1.5 * three))
    assert left() == {"a": [*range(5)]}
    training.close()


def test_what_another_process_has_open_may_go_and_can_be_read_and_written_on(three):
    reader, writer = opened(prefix_directory() / "a"), opened(prefix_directory() / "b")
    writer.append(keys_of([15]), rows_of([15]))
    evict(0)
    assert holds(reader, [*range(5), *range(10, 15)]) and holds(writer, [*range(5, 10), 15])
    for folder, number in ((reader, 16), (writer, 17)):
        folder.append(keys_of([number]), rows_of([number]))
        folder.finish()
        folder.close()
    assert left() == {"a": [16], "b": [15, 17]}


def test_making_room_takes_along_what_killed_processes_left(three):
    folder = prefix_directory() / "c"
    folder.mkdir()
    (folder / f".{'0' * 32}.rows.1.tmp").write_bytes(bytes(9 * three))
    assert evict(4 * three) == 0 and not folder.exists()


def test_what_cannot_be_removed_is_passed_over_when_making_room(three, monkeypatch):
    (stuck,) = (prefix_directory() / "b").glob("*.rows")
    real = Path.unlink

    def unlink(path, **options):
        if path == stuck:
            raise PermissionError
        real(path, **options)

    monkeypatch.setattr(Path, "unlink", unlink)
    evict(0)
    assert left() == {"b": [*range(5, 10)]}


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
