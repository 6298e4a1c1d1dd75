"""Row folders on full disks, in read-only places, with threads, killed processes, and two processes at once."""

import contextlib
import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import tfpt
from tests.data.row_folder_files import (
    ABOUT, ROW_BYTES, holds, holds_after_append, keys_of, lacks, opened, rows_of, written)
from tfpt.data import row_segments
from tfpt.data.row_files import RowFolder
from tfpt.errors import DataError

CHECKOUT = Path(tfpt.__file__).parents[1]


def fail_after(calls, monkeypatch):
    """The disk is full after so many calls, in the midst of one."""
    real, done = os.write, []

    def write(descriptor, content):
        done.append(1)
        if len(done) == calls:
            return real(descriptor, content[:10])
        if len(done) > calls:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, content)

    monkeypatch.setattr(row_segments.os, "write", write)


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_a_full_disk_is_an_error_with_advice_and_leaves_what_was_finished(tmp_path, monkeypatch, calls):
    folder = opened(written(tmp_path, range(5)))
    fail_after(calls, monkeypatch)
    with pytest.raises(DataError, match="No space left.*--cache memory or --cache off"):
        folder.append(keys_of([7]), rows_of([7]))
        folder.append(keys_of([8]), rows_of([8]))
        folder.finish()
    monkeypatch.undo()
    assert holds(folder, range(5)) and lacks(folder, [7, 8]) and list(tmp_path.glob(".*")) == []
    assert holds_after_append(folder, [7, 8])
    folder.finish()
    assert holds(opened(tmp_path), [0, 7, 8])


def test_a_footer_that_does_not_fit_is_an_error_too(tmp_path, monkeypatch):
    folder = opened(tmp_path)
    numbers = folder.append(keys_of([7]), rows_of([7]))
    fail_after(1, monkeypatch)
    with pytest.raises(DataError, match="No space left"):
        folder.finish()
    assert lacks(folder, [7]) and os.listdir(tmp_path) == ["about.json"]
    assert np.array_equal(folder.read(numbers), rows_of([7]))  # a reader that has the number is not disturbed


def test_the_kernel_s_own_refusal(tmp_path):
    folder = opened(written(tmp_path, range(5)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100 * ROW_BYTES + 7, before[1]))
        with pytest.raises(DataError, match="File too large"):
            folder.append(keys_of(range(200)), rows_of(range(200)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert holds(folder, range(5)) and list(tmp_path.glob(".*")) == []


def test_a_folder_that_cannot_be_made_is_an_error_with_advice(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="TFPT_CACHE"):
        opened(tmp_path / "file" / "rows")


def test_a_cache_that_may_only_be_read_is_read(tmp_path, monkeypatch):
    written(tmp_path, range(5))

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    folder = RowFolder(tmp_path, ROW_BYTES, ABOUT)
    folder.close()
    for name in ("utime", "open", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    folder = RowFolder(tmp_path, ROW_BYTES, ABOUT)
    assert holds(folder, range(5))
    with pytest.raises(DataError, match="Permission denied"):
        folder.append(keys_of([7]), rows_of([7]))
    assert holds(folder, range(5))


def test_threads_read_while_one_appends(tmp_path):
    folder, wrong, stop = opened(written(tmp_path, range(50))), [], threading.Event()

    def read(seed):
        random = np.random.default_rng(seed)
        while not stop.is_set():
            numbers = random.integers(0, 400, 20)
            rows = folder.find(keys_of(numbers))
            there = rows >= 0
            if not np.array_equal(folder.read(rows[there]), rows_of(numbers[there])):
                wrong.append(numbers)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for start in range(50, 400, 5):
        folder.append(keys_of(range(start, start + 5)), rows_of(range(start, start + 5)))
        if start % 50 == 0:
            folder.finish()
    stop.set()
    for thread in threads:
        thread.join(60)
    assert wrong == [] and holds(folder, range(400))


WRITER = """
import sys
from pathlib import Path
from tests.data.row_folder_files import ROW_BYTES, keys_of, rows_of
from tfpt.data.row_files import RowFolder
folder = RowFolder(Path(sys.argv[1]), ROW_BYTES, {"model": "small"})
def write(numbers):
    folder.append(keys_of(numbers), rows_of(numbers))
"""


def start(path, code):
    return subprocess.Popen([sys.executable, "-c", WRITER + code, str(path)], text=True, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})


def test_a_process_killed_while_it_writes_leaves_only_what_it_finished(tmp_path):
    process = start(tmp_path, """
write(range(5))
folder.finish()
for number in range(5, 1_000_000):
    write([number])
    print(number, flush=True)
""")
    with process:
        while process.stdout.readline() != "20\n":
            pass
        reader = opened(tmp_path)
        assert holds(reader, range(5)) and lacks(reader, range(5, 20))
        assert len(list(tmp_path.glob(".*.tmp"))) == 1  # the writer lives: its file is not touched
        process.send_signal(signal.SIGKILL)
    assert len(list(tmp_path.glob(".*.tmp"))) == 1
    reader = opened(tmp_path)
    assert holds(reader, range(5)) and lacks(reader, range(5, 20)) and reader.damaged == []
    assert list(tmp_path.glob(".*.tmp")) == []


def test_two_processes_write_one_folder_at_once(tmp_path):
    code = """
first = int(input())
for start in range(first, first + 200, 10):
    write(range(start, start + 10))
    if start % 40 == 0:
        folder.finish()
folder.finish()
"""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(start(tmp_path, code)) for _ in range(2)]
        for process, first in zip(processes, ("0\n", "100\n"), strict=True):  # a hundred keys in common
            process.stdin.write(first)
            process.stdin.flush()
    assert [process.returncode for process in processes] == [0, 0]
    folder = opened(tmp_path)
    assert holds(folder, range(300)) and folder.verified(np.arange(400)).all() and folder.damaged == []


@pytest.mark.parametrize(("age_seconds", "stays"), [(60, True), (100_000, False)])
def test_without_locks_an_unfinished_file_counts_as_alive_for_a_day(tmp_path, monkeypatch, age_seconds, stays):
    file = tmp_path / f".{'0' * 32}.rows.1.tmp"
    file.write_text("")
    os.utime(file, (file.stat().st_mtime - age_seconds,) * 2)

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(row_segments.fcntl, "flock", refuse)
    folder = opened(tmp_path)
    assert file.exists() == stays and holds_after_append(folder, range(3))
