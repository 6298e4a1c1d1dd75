"""Rows that several caches share are open as long as one of them has use for them."""

from types import SimpleNamespace

import pytest

from tfpt.errors import DataError
from tfpt.training.prefix_cache.shared_rows import SharedRows


def rows_of(name, done, memory_bytes=0, folder=None, finish=None):
    """What ``SharedRows`` knows of rows; ``done`` gets what is done to them."""
    return SimpleNamespace(memory_bytes=memory_bytes, folder=folder, close=lambda: done.append(f"close {name}"),
                           finish=finish or (lambda: done.append(f"finish {name}")))


def test_the_last_who_leaves_closes():
    shared, done = SharedRows(), []
    first = shared.take("one", "key", lambda: rows_of("a", done))
    assert shared.take("other", "key", lambda: rows_of("b", done)) is first
    shared.leave("one", first)
    assert done == []
    shared.leave("other", first)
    assert done == ["finish a", "close a"]
    assert shared.take("one", "key", lambda: rows_of("c", done)) is not first


def test_who_leaves_without_a_word_leaves_everything():
    shared, done = SharedRows(), []
    for user, keys in (("one", "ab"), ("other", "bc")):
        for key in keys:
            shared.take(user, key, lambda key=key: rows_of(key, done))
    shared.leave("one")
    assert done == ["finish a", "close a"]
    shared.leave("other")
    assert done[2:] == ["finish b", "close b", "finish c", "close c"]


def test_it_knows_their_memory_and_their_folders():
    shared = SharedRows()
    folder = SimpleNamespace(path=SimpleNamespace(name="1234"))
    shared.take("one", "a", lambda: rows_of("a", [], memory_bytes=5))
    shared.take("one", "b", lambda: rows_of("b", [], memory_bytes=7, folder=folder))
    assert shared.memory_bytes == 12 and shared.folder_names == ["1234"]
    shared.leave("one")
    assert shared.memory_bytes == 0 and shared.folder_names == []


def test_rows_that_cannot_be_finished_are_closed_all_the_same():
    def fail():
        raise DataError("no space left")

    shared, done = SharedRows(), []
    rows = shared.take("one", "a", lambda: rows_of("a", done, finish=fail))
    with pytest.raises(DataError):
        shared.leave("one", rows)
    assert done == ["close a"]
