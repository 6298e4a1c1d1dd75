"""Rows that many trainings share are computed beforehand, by all who need them together."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.training.prefix_cache.small_caches import feed_of, job_of, taken
from tests.training.small_jobs import EXAMPLES, small_splits
from tfpt.training.prefix_cache import rows as rows_of_cut
from tfpt.training.prefix_cache import stream as streams
from tfpt.training.prefix_cache.cache import PrefixCache
from tfpt.training.prefix_cache.shared_rows import SharedRows

EPOCHS = 4


def lasting_job(folder, splits=None, **cache):
    job = job_of(folder, splits=splits, **cache)
    return replace(job, cache_plan=replace(job.cache_plan, lasting=True))


def open_cache(job):
    return PrefixCache(job.task, job.config, job.splits, job.model, job.cache_plan, shared_rows=SharedRows())


def loud_splits():
    """With an image whose activations float16 can't hold."""
    splits = small_splits()
    splits.train.images[13] = 3e5
    return splits


def rows_of(cache, job):
    """What an epoch of the first phase reads."""
    feed = feed_of(cache, job)
    return np.concatenate([rows for rows, _ in taken(feed.train_stream(1, 0), feed)])


def test_a_training_finds_everything_computed(tmp_path):
    job = lasting_job(tmp_path)
    cache, calls = open_cache(job), []
    cache.fill(EPOCHS, lambda: calls.append(1))
    computed = cache.computed_rows
    assert 2 * EXAMPLES < computed <= 3 * EXAMPLES and calls
    for phase in (0, 1):
        feed = feed_of(cache, job, phase)
        for epoch in range(1, EPOCHS + 1):
            taken(feed.train_stream(epoch, 0), feed)
        taken(feed.validation_stream(), feed)
    assert cache.computed_rows == computed
    cache.fill(EPOCHS, lambda: calls.append(1))
    assert cache.computed_rows == computed


def test_rows_that_become_float32_are_told(tmp_path):
    job = lasting_job(tmp_path, loud_splits(), dtype="float16")
    cache = open_cache(job)
    cache.fill(EPOCHS, lambda: None)
    assert cache.widened == {0, 1} and {rows.dtype.name for rows in cache._open.values()} == {"float32"}
    assert cache.notices == [f"an activation is out of float16's range: float32 for the cut after {cut.name}"
                             for cut in job.cache_plan.cuts]


def test_rows_that_become_too_large_are_told_and_leave_the_others_their_room(tmp_path, monkeypatch):
    monkeypatch.setattr(PrefixCache, "_most_rows", lambda cache: 1500)  # the wide cut: 0.8 MB, and 1.5 in float32
    job = lasting_job(tmp_path, loud_splits(), dtype="float16", budget_mb=1)
    cache = open_cache(job)
    cache.fill(EPOCHS, lambda: None)
    assert cache.notices == [
        "an activation is out of float16's range: no room for float32, so without the cut after block_1_add",
        "an activation is out of float16's range: float32 for the cut after head_pool"]
    (rows,) = cache._open.values()
    assert rows.in_memory and rows.values == 4


def test_cuts_that_do_not_fit_together_leave_the_smallest(tmp_path, monkeypatch):
    monkeypatch.setattr(PrefixCache, "_most_rows", lambda cache: 1020)  # each cut fits into a MiB by itself
    job = lasting_job(tmp_path, budget_mb=1)
    cache = open_cache(job)
    cache.fill(EPOCHS, lambda: None)
    assert [job.cache_plan.cuts[number].name for number in cache._open] == ["head_pool"]


@pytest.fixture
def one_batch_a_second(monkeypatch):
    """A call computes one batch of two, and looks for what others have finished before it does."""
    monkeypatch.setattr(streams, "INPUT_BATCH", 2)
    monkeypatch.setattr(streams, "_SECONDS_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(rows_of_cut, "_FINISHED_SECONDS", 0.0)
    monkeypatch.setattr(rows_of_cut, "_FINISHED_SHARE", 0.0)
    looks = itertools.count()
    monkeypatch.setattr(streams, "time", SimpleNamespace(
        monotonic=lambda: 0.3 * next(looks), perf_counter=time.perf_counter))


def fill_in_turns(caches):
    """Each goes on for a second, then the other."""
    turns = [threading.Semaphore(1), threading.Semaphore(0)]

    def fill(own):
        def goes_on():
            turns[1 - own].release()
            assert turns[own].acquire(timeout=60)

        assert turns[own].acquire(timeout=60)
        try:
            caches[own].fill(EPOCHS, goes_on)
            caches[own].finish()
        finally:
            turns[1 - own].release(10 ** 6)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fill, (0, 1)))


def test_two_that_fill_the_same_rows_at_once_divide_the_work(tmp_path, monkeypatch, one_batch_a_second):
    seeds, real = itertools.count(), np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda *seed: real(*(seed or [next(seeds)])))
    jobs = [lasting_job(tmp_path / name, mode=mode) for name, mode in (("1", "auto"), ("2", "disk"), ("3", "memory"))]
    *caches, alone = [open_cache(job) for job in jobs]
    alone.fill(EPOCHS, lambda: None)
    fill_in_turns(caches)
    both = [cache.computed_rows for cache in caches]
    assert min(both) > 0.2 * alone.computed_rows and sum(both) < 1.3 * alone.computed_rows, both
    for cache, job in zip(caches, jobs):
        np.testing.assert_array_equal(rows_of(cache, job), rows_of(alone, jobs[2]))
        cache._shared_rows.leave(cache)
