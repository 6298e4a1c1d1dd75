"""Runs that nobody stops, one of each task for all modules that compare others with it."""

import functools
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.killed_runs import finished, measure_once


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    """``whole_run(task)`` starts it at the side; its ``result()`` is its folder, and the seconds that it took."""
    def run(task):
        run_dir, began = tmp_path_factory.mktemp("whole") / "run", time.monotonic()
        finished(task, run_dir)
        return run_dir, time.monotonic() - began

    @functools.cache
    def begin(task):
        measure_once(task, tmp_path_factory.mktemp("measured"))
        return thread.submit(run, task)

    with ThreadPoolExecutor(1) as thread:
        yield begin
