"""Small segments are merged into one; whoever reads, writes, removes or is killed meanwhile, no row becomes another."""

import errno
import fcntl
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.data.row_folder_files import ROW_BYTES, flip, holds, keys_of, lacks, opened, rows_of, written
from tests.data.test_row_files_faults import start
from tfpt.data import row_merging, row_segments
from tfpt.data.row_segments import check_segment

MOST = 16


def segments(path):
    return sorted(path.glob("*.rows"))


def add(folder, *parts):
    """A segment for each of ``parts``."""
    for numbers in parts:
        folder.append(keys_of(numbers), rows_of(numbers))
        folder.finish()


def parts(count, first=0):
    return [range(first + 3 * part, first + 3 * part + 3) for part in range(count)]


@pytest.fixture
def many(tmp_path):
    """As many segments as are left alone."""
    written(tmp_path, *parts(MOST))
    assert len(segments(tmp_path)) == MOST
    return tmp_path


def test_one_too_many_makes_them_one_and_row_numbers_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(row_segments, "_BLOCK_BYTES", 2 * ROW_BYTES)
    folder = opened(tmp_path)
    add(folder, *parts(MOST))
    numbers = folder.find(keys_of(range(48)))
    add(folder, range(48, 51))
    (merged,) = segments(tmp_path)
    check_segment(merged)
    assert np.array_equal(folder.find(keys_of(range(48))), numbers) and holds(folder, range(51))
    assert folder.verified(np.arange(51)).all()
    later = opened(tmp_path)
    assert holds(later, range(51)) and later.verified(np.arange(51)).all() and not folder.refresh()


def test_what_was_merged_is_merged_again(tmp_path):
    folder = opened(tmp_path)
    for number in range(100):
        add(folder, [number])
        assert len(segments(tmp_path)) <= MOST and holds(folder, range(number + 1))
    folder.close()
    assert holds(opened(tmp_path), range(100)) and list(tmp_path.glob(".*")) == []


def test_merging_lets_go_of_descriptors(tmp_path):
    folder, before = opened(tmp_path), len(os.listdir("/proc/self/fd"))
    add(folder, *parts(100))
    assert len(os.listdir("/proc/self/fd")) <= before + MOST + 1


def test_large_segments_stay_as_they_are(many, monkeypatch):
    monkeypatch.setattr(row_merging, "_SMALL_BYTES", 3 * ROW_BYTES)
    add(opened(many), *parts(3, first=100))
    assert len(segments(many)) == MOST + 3


def used_at(path, seconds):
    for number, file in enumerate(segments(path)):
        os.utime(file, (seconds + number,) * 2)


def test_what_this_run_uses_and_what_it_does_not_stay_apart(many):
    used_at(many, 1000)
    folder = opened(many)
    add(folder, *parts(MOST, first=100))
    assert len(segments(many)) == 2 * MOST
    add(folder, [200])
    old = [file for file in segments(many) if file.stat().st_mtime < 2000]
    assert len(old) == MOST and len(segments(many)) == MOST + 1 and holds(folder, [*range(48), *range(100, 148), 200])


def test_what_is_merged_was_used_when_the_last_of_it_was(many):
    written(many, range(48, 51))
    used_at(many, 1000)
    folder = opened(many)
    add(folder, [60])
    assert sorted(file.stat().st_mtime for file in segments(many))[0] == 1000 + MOST and len(segments(many)) == 2
    assert holds(folder, [*range(51), 60])


def test_a_damaged_one_is_removed_and_gets_no_new_checksum(many):
    written(many, range(48, 51))
    flip(segments(many)[3], 0)
    folder = opened(many)
    for number in (60, 61):
        add(folder, [number])
        assert len(segments(many)) == MOST + number - 59 and len(folder.damaged) == 1
    rows = folder.find(keys_of(range(51)))
    assert (rows < 0).sum() == 3 and holds(folder, [*np.flatnonzero(rows >= 0), 60, 61])
    for file in segments(many):
        check_segment(file)


def test_files_that_another_process_merges_or_has_removed_are_left_out(tmp_path):
    folder = opened(tmp_path)
    add(folder, *parts(MOST))
    held, removed = segments(tmp_path)[:2]
    removed.unlink()
    with held.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        add(folder, range(48, 51))
        assert len(segments(tmp_path)) == MOST, "with these two there aren't too many"
        add(folder, *parts(2, first=60))
        assert len(segments(tmp_path)) == 2 and held.exists()
    assert holds(folder, [*range(51), *range(60, 66)])


def test_files_that_others_have_merged_away_are_not_in_the_way(tmp_path):
    folder = opened(tmp_path)
    for turn in range(3):
        add(folder, *parts(MOST, first=100 * turn))
        for file in segments(tmp_path):
            file.unlink()
    add(folder, *parts(MOST + 1, first=300))
    assert len(segments(tmp_path)) == 1
    assert all(holds(folder, range(100 * turn, 100 * turn + 3 * MOST)) for turn in range(4))


def test_a_file_system_without_locks_has_no_merging(many, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    folder = opened(many)
    add(folder, *parts(20, first=100))
    assert len(segments(many)) == MOST + 20 and holds(folder, range(48))


def test_a_disk_without_room_for_both_is_not_asked_again(tmp_path, monkeypatch):
    folder = opened(tmp_path)
    add(folder, *parts(MOST))
    asked = []

    def refuse(*_):
        asked.append(1)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(row_merging, "_copy", refuse)
    add(folder, *parts(4, first=60))
    assert asked == [1] and len(segments(tmp_path)) == MOST + 4 and list(tmp_path.glob(".*")) == []
    assert holds(folder, [*range(48), *range(60, 72)])


def test_a_folder_that_is_cleared_in_the_midst_of_it(tmp_path, monkeypatch):
    folder = opened(tmp_path)
    add(folder, *parts(MOST))
    real = row_merging._copy

    def copy(piece, writer):
        for file in tmp_path.iterdir():
            file.unlink()
        return real(piece, writer)

    monkeypatch.setattr(row_merging, "_copy", copy)
    add(folder, range(48, 51))
    assert holds(folder, range(51)) and segments(tmp_path) == []
    monkeypatch.undo()
    add(folder, range(51, 54))
    assert holds(opened(tmp_path), range(51, 54))


@pytest.mark.parametrize("place", ["row_segments.os.rename", "row_merging.os.utime", "Path.unlink"])
def test_a_process_killed_at_any_point_loses_no_row_and_doubles_none_as_another(tmp_path, place):
    written(tmp_path, *parts(MOST))
    process = start(tmp_path, f"""
import os, signal
from tfpt.data import row_merging, row_segments
folder.verified(folder.find(keys_of(range(48))))
write(range(48, 51))
real = {place}
calls = []
def die(*arguments, **options):
    calls.append(1)
    if len(calls) == {2 if place == "row_segments.os.rename" else 4 if place == "Path.unlink" else 1}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)
{place} = die
folder.finish()
""")
    with process:
        process.communicate()
    assert process.returncode == -9
    assert len(segments(tmp_path)) == {"row_segments.os.rename": 17, "row_merging.os.utime": 18,
                                       "Path.unlink": 17}[place]
    folder = opened(tmp_path)
    assert holds(folder, range(51)) and folder.damaged == [] and list(tmp_path.glob(".*.tmp")) == []
    folder.verified(folder.find(keys_of(range(51))))
    everything = np.arange(sum(len(segment.rows) for segment in folder._segments))
    assert folder.verified(everything).all()
    keys = np.concatenate([segment.key_array() for segment in folder._segments])
    numbers = [int.from_bytes(key.tobytes(), "little") for key in keys]
    assert np.array_equal(folder.read(everything), rows_of(numbers)) and set(numbers) == set(range(51))


WRITES_MANY = """
for number in range(150):
    write([number])
    folder.finish()
    folder.refresh()
    assert (folder.read(folder.find(keys_of(range(number + 1)))) == rows_of(range(number + 1))).all()
assert folder.damaged == []
"""


def test_others_read_write_and_make_room_while_one_merges(tmp_path):
    """Two writers and a reader on one folder, and one that removes files: what is read is right or absent."""
    stop, wrong = threading.Event(), []

    def read():
        random, folder = np.random.default_rng(0), opened(tmp_path)
        while not stop.is_set():
            folder.refresh()
            numbers = random.integers(0, 150, 50)
            rows = folder.find(keys_of(numbers))
            there = (rows >= 0) & folder.verified(rows)
            if not np.array_equal(folder.read(rows[there]), rows_of(numbers[there])) or folder.damaged:
                wrong.append(folder.damaged)

    def remove():
        while not stop.wait(0.01):
            for file in segments(tmp_path)[:1]:
                Path.unlink(file, missing_ok=True)

    threads = [threading.Thread(target=work) for work in (read, remove)]
    for thread in threads:
        thread.start()
    processes = [start(tmp_path, WRITES_MANY) for _ in range(2)]
    for process in processes:
        with process:
            process.communicate()
    stop.set()
    for thread in threads:
        thread.join(60)
    assert [process.returncode for process in processes] == [0, 0] and wrong == []
    folder = opened(tmp_path)
    rows = folder.find(keys_of(range(150)))
    there = rows >= 0
    assert folder.verified(rows)[there].all()
    assert np.array_equal(folder.read(rows[there]), rows_of(np.flatnonzero(there))) and folder.damaged == []


def test_two_processes_that_merge_lose_nothing(tmp_path):
    code = """
first = int(input())
for number in range(first, first + 100):
    write([number])
    folder.finish()
"""
    processes = [start(tmp_path, code) for _ in range(2)]
    for process, first in zip(processes, ("0\n", "50\n"), strict=True):
        process.stdin.write(first)
        process.stdin.flush()
    for process in processes:
        with process:
            process.communicate()
    folder = opened(tmp_path)
    assert [process.returncode for process in processes] == [0, 0] and holds(folder, range(150))
    assert len(segments(tmp_path)) <= 2 * MOST and folder.verified(folder.find(keys_of(range(150)))).all()
    assert lacks(folder, range(150, 160))
