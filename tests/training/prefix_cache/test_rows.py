"""Rows of one cut: found by part, example and view, in memory and on disk."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.data.row_folder_files import flip, segment
from tfpt.data.row_files import RowFolder
from tfpt.errors import DataError
from tfpt.task import Visits
from tfpt.training.prefix_cache import rows as rows_of_cut
from tfpt.training.prefix_cache.rows import CutRows

VALUES, PARTS = 6, {"train": (5, 2), "validation": (4, 1)}
DTYPES = {"float32": tf.float32, "float16": tf.float16, "bfloat16": tf.bfloat16}


def rows_in(place, capacity, dtype=tf.float32, notices=None):
    folder = RowFolder(place / "rows", VALUES * dtype.size, {}) if place else None
    return CutRows(VALUES, dtype, PARTS, capacity, folder, True, "",
                   [].append if notices is None else notices.append)


def visits(*places):
    """Pairs of example and view."""
    index, view = np.array(places, np.int64).reshape(-1, 2).T
    return Visits(index, view, augmented=True)


def keys(part, seen):
    texts = [f"{part} {index} {view}" for index, view in zip(seen.index, seen.view)]
    return np.array([list(hashlib.sha256(text.encode()).digest()[:16]) for text in texts], np.uint8).reshape(-1, 16)


def values(seen, dtype, shift=0.0):
    """A row for each visit that no other has, exact in every dtype."""
    numbers = 16 * seen.index[:, None] + 8 * seen.view[:, None] + np.arange(VALUES) + shift
    return tf.constant(numbers, dtype)


@pytest.fixture(params=[(True, False), (True, True), (False, True)], ids=["memory", "memory and disk", "disk"])
def make(request, tmp_path):
    in_memory, kept = request.param
    made = []

    def make_rows(dtype=tf.float32, capacity=14):
        made.append(rows_in(tmp_path if kept else None, capacity if in_memory else None, dtype))
        return made[-1]

    yield make_rows
    for rows in made:
        rows.close()


def got(rows, part, seen):
    numbers = rows.numbers(part, seen)
    assert (numbers >= 0).all()
    return rows.gather(tf.constant(numbers)).numpy() if rows.in_memory else rows.read(numbers)


def put(rows, part, seen, shift=0.0):
    rows.put(part, seen, keys(part, seen), values(seen, rows.dtype, shift))


@pytest.mark.parametrize("name", DTYPES)
def test_what_was_put_comes_back_in_any_order(make, name):
    rows, dtype = make(DTYPES[name]), DTYPES[name]
    one, other = visits((3, 0), (1, 1), (3, 1)), visits((0, 0), (2, 0))
    put(rows, "train", one)
    put(rows, "validation", other)
    put(rows, "train", other)
    for part, seen in (("train", visits((1, 1), (3, 1), (2, 0), (3, 0))), ("validation", visits((2, 0), (0, 0)))):
        found = got(rows, part, seen)
        assert found.dtype == dtype.as_numpy_dtype
        np.testing.assert_array_equal(found, values(seen, dtype).numpy())


def test_what_was_not_put_has_no_number(make):
    rows = make()
    put(rows, "train", visits((3, 0)))
    assert (rows.numbers("train", visits((3, 1), (0, 0))) == -1).all()
    assert (rows.numbers("validation", visits((3, 0))) == -1).all()


def test_a_row_that_is_there_stays(make):
    rows = make(capacity=3)
    put(rows, "train", visits((3, 0), (1, 1)))
    before = rows.numbers("train", visits((3, 0), (1, 1)))
    put(rows, "train", visits((1, 1), (0, 0), (3, 0)), shift=100.0)
    assert np.array_equal(rows.numbers("train", visits((3, 0), (1, 1))), before)
    found = got(rows, "train", visits((3, 0), (0, 0), (1, 1)))
    np.testing.assert_array_equal(found[[0, 2]], values(visits((3, 0), (1, 1)), tf.float32))
    np.testing.assert_array_equal(found[1:2], values(visits((0, 0)), tf.float32, 100.0))
    put(rows, "train", visits((3, 0)))
    put(rows, "train", visits())


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("in_memory", [True, False])
def test_an_earlier_runs_rows_are_loaded(tmp_path, name, in_memory):
    def opened():
        return rows_in(tmp_path, 14 if in_memory else None, DTYPES[name])

    earlier, seen = opened(), visits((3, 0), (1, 1), (4, 0))
    put(earlier, "train", seen)
    earlier.finish()
    put(earlier, "train", visits((0, 0)))  # not finished: lost
    earlier.close()
    later, wanted = opened(), visits((4, 0), (2, 0), (0, 0), (1, 1))
    assert later.load("train", wanted, keys("train", wanted)) == 2
    assert (later.numbers("train", wanted) >= 0).tolist() == [True, False, False, True]
    assert later.numbers("train", visits((3, 0)))[0] == -1, "only what is asked for is loaded"
    again = visits((4, 0), (1, 1))
    np.testing.assert_array_equal(got(later, "train", again), values(again, DTYPES[name]).numpy())
    later.close()


def test_loading_again_takes_no_more_room(tmp_path):
    seen = visits((3, 0), (1, 1))
    rows = rows_in(tmp_path, 2)
    put(rows, "train", seen)
    rows.load("train", seen, keys("train", seen))
    np.testing.assert_array_equal(got(rows, "train", seen), values(seen, tf.float32))
    rows.close()


def test_a_large_part_is_loaded_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr("tfpt.training.prefix_cache.rows._LOADED_AT_ONCE", 2 * VALUES * 4)
    seen = visits(*[(index, view) for index in range(5) for view in range(2)])
    for expected in (0, 10):
        rows = rows_in(tmp_path, 14)
        assert rows.load("train", seen, keys("train", seen)) == expected
        put(rows, "train", seen)
        rows.finish()
        np.testing.assert_array_equal(got(rows, "train", seen), values(seen, tf.float32))
        rows.close()


def test_the_same_key_in_two_parts_is_one_row_on_disk(tmp_path):
    rows = rows_in(tmp_path, None)
    seen = visits((3, 0))
    rows.put("train", seen, keys("train", seen), values(seen, tf.float32))
    assert rows.load("validation", seen, keys("train", seen)) == 1
    np.testing.assert_array_equal(got(rows, "validation", seen), values(seen, tf.float32))
    rows.close()


def test_a_disk_that_fails_is_told_and_the_rows_stay_in_memory(tmp_path, monkeypatch):
    notices, one, other = [], visits((3, 0)), visits((1, 0))
    rows = rows_in(tmp_path, 14, notices=notices)
    put(rows, "train", one)
    monkeypatch.setattr(rows.folder, "append", fail)
    put(rows, "train", other)
    assert len(notices) == 1 and "no space" in notices[0] and rows.folder is None
    np.testing.assert_array_equal(got(rows, "train", visits((3, 0), (1, 0))),
                                  values(visits((3, 0), (1, 0)), tf.float32))
    rows.finish()
    rows.close()


def test_a_disk_that_fails_ends_what_has_its_rows_there_alone(tmp_path, monkeypatch):
    rows = rows_in(tmp_path, None)
    monkeypatch.setattr(rows.folder, "append", fail)
    with pytest.raises(DataError, match="no space"):
        put(rows, "train", visits((3, 0)))
    rows.close()


def fail(*_):
    raise DataError("no space left")


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("capacity", [14, None])
def test_a_damaged_file_is_told_and_its_rows_are_not_loaded(tmp_path, capacity, place):
    seen, notices = visits((3, 0), (1, 0)), []
    rows = rows_in(tmp_path, capacity)
    put(rows, "train", seen)
    rows.finish()
    rows.close()
    flip(segment(tmp_path / "rows"), place)
    again = rows_in(tmp_path, capacity, notices=notices)
    assert again.load("train", seen, keys("train", seen)) == 0 and len(notices) == 1 and "damaged" in notices[0]
    put(again, "train", seen)
    np.testing.assert_array_equal(got(again, "train", seen), values(seen, tf.float32))
    again.close()


def test_other_runs_see_what_was_put_a_few_seconds_ago(tmp_path, monkeypatch):
    seen = visits((3, 0), (1, 0))
    rows, others = rows_in(tmp_path, 14), rows_in(tmp_path, None)
    put(rows, "train", seen)
    for seconds, share, there in ((5.0, 0.05, False), (0.0, 1e9, False), (0.0, 0.0, True)):
        monkeypatch.setattr(rows_of_cut, "_FINISHED_SECONDS", seconds)
        monkeypatch.setattr(rows_of_cut, "_FINISHED_SHARE", share)
        assert not rows.refresh() and others.refresh() == there
    assert others.load("train", seen, keys("train", seen)) == 2
    np.testing.assert_array_equal(got(others, "train", seen), values(seen, tf.float32))
    for opened in (rows, others):
        opened.close()


def test_rows_that_never_come_take_no_memory():
    """The table is not copied either when rows are put into it, which would write all of it."""
    def resident_bytes():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    values, capacity = 2**14, 2**13
    before = resident_bytes()
    rows = CutRows(values, tf.float32, PARTS, capacity, None, False, "", [].append)
    for index in range(4):
        seen = visits((index, 0))
        rows.put("train", seen, keys("train", seen), tf.ones([1, values]))
    assert rows.memory_bytes == 2**29 and resident_bytes() - before < 2**27
    rows.close()


def test_closing_gives_the_memory_back_though_a_traced_function_holds_the_rows():
    rows = rows_in(None, 14)
    put(rows, "train", visits((3, 0)))
    step = tf.function(lambda numbers: rows.gather(numbers))
    np.testing.assert_array_equal(step(tf.constant([0], tf.int64)), values(visits((3, 0)), tf.float32))
    assert rows.memory_bytes == 14 * VALUES * 4
    rows.close()
    assert rows._table.numpy().nbytes == 0


def test_rows_in_memory_alone_have_nothing_to_look_for():
    assert not rows_in(None, 14).refresh()
