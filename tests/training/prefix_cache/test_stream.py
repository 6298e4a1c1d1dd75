"""Batches of rows: in the order of the visits, and nothing computed that is there already."""

import numpy as np
import pytest
import tensorflow as tf

from tests.training.prefix_cache.small_caches import feed_of, job_of, open_cache, taken
from tests.training.small_jobs import BATCH_SIZE, EXAMPLES, pixels_of, small_splits, train_visits
from tfpt.training.graph_runner import graph_runner
from tfpt.training.prefix_cache import stream as streams
from tfpt.training.prefix_cache.rows import CutRows
from tfpt.training.prefix_cache.stream import GroupSize

MODES = ("memory", "disk", "auto")


@pytest.fixture(params=MODES)
def job(request, tmp_path):
    return job_of(tmp_path, mode=request.param)


@pytest.fixture
def cache(job):
    opened = open_cache(job)
    yield opened
    opened.close()


def expected(job, cache, feed, epoch, first_step=0):
    """Rows and labels that the model itself gives for the visits."""
    visits = train_visits(job.config, job.splits.train, epoch)[first_step * BATCH_SIZE:]
    tensors = graph_runner(job.model.inputs, cache.cut(feed.number).tensors)(pixels_of(job.splits.train, visits))
    rows = np.concatenate([tensor.numpy().reshape(len(visits), -1) for tensor in tensors], axis=1)
    return rows, job.splits.train.labels[visits.index]


def joined(batches):
    return [np.concatenate(column) for column in zip(*batches, strict=True)]


@pytest.mark.parametrize("first_step", [0, 4])
def test_rows_come_in_the_order_of_the_visits_from_any_step(job, cache, first_step):
    for phase in (0, 1):
        feed = feed_of(cache, job, phase)
        stream = feed.train_stream(2, first_step)
        assert stream.steps == 6 - first_step
        batches = taken(stream, feed, wanted=2)
        assert [len(labels) for _, labels in batches] == [4] * (5 - first_step) + [2]
        rows, labels = joined(batches)
        wanted_rows, wanted_labels = expected(job, cache, feed, 2, first_step)
        np.testing.assert_allclose(rows, wanted_rows, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(labels, wanted_labels)


def test_past_the_last_step_there_is_nothing(job, cache):
    assert feed_of(cache, job).train_stream(1, 6).steps == 0


def test_validation_goes_in_order(job, cache):
    feed = feed_of(cache, job)
    _, labels = joined(taken(feed.validation_stream(), feed))
    np.testing.assert_array_equal(labels, job.splits.validation.labels)


def test_only_what_is_missing_is_computed(job, cache):
    feed = feed_of(cache, job)
    part, seen = job.splits.train, set()
    for epoch in (1, 2, 3):
        visits = train_visits(job.config, part, epoch)
        wanted = [visit for visit in zip(visits.index.tolist(), visits.view.tolist()) if visit not in seen]
        part.asked.clear()
        taken(feed.train_stream(epoch, 0), feed)
        assert part.asked == wanted and cache.computed_rows == len(seen) + len(wanted)
        seen |= set(wanted)
    part.asked.clear()
    taken(feed.train_stream(1, 0), feed)
    assert part.asked == [] and 0 < len(seen) <= 2 * EXAMPLES


def test_rows_kept_ahead_are_there_when_their_phase_begins(job, cache):
    feed = feed_of(cache, job, 0)
    for epoch in (1, 2):
        taken(feed.train_stream(epoch, 0), feed)
    computed = cache.computed_rows
    later = feed_of(cache, job, 1)
    assert later.number != feed.number
    rows, _ = joined(taken(later.train_stream(2, 0), later))
    assert cache.computed_rows == computed
    np.testing.assert_allclose(rows, expected(job, cache, later, 2)[0], rtol=1e-6, atol=1e-6)


def test_a_take_ends_when_its_time_is_up_but_gives_at_least_one_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "INPUT_BATCH", 3)
    job = job_of(tmp_path)
    cache = open_cache(job)
    feed = feed_of(cache, job)
    stream = feed.train_stream(1, 0)
    assert stream.take(6, seconds=0)[1] == 1 and cache.computed_rows < EXAMPLES
    assert stream.take(1, seconds=1e9)[1] == 1
    assert stream.take(9, seconds=1e9)[1] == 4 and cache.computed_rows == EXAMPLES


@pytest.mark.parametrize("value, step", [(1e6, 3), (-1e6, 0), (1e-9, 5)])
def test_a_value_out_of_range_ends_the_batches_in_front_of_its_own(tmp_path, value, step):
    """The largest float16 is 65504; what is below its smallest normal number by far would lose its digits."""
    splits = small_splits()
    job = job_of(tmp_path, splits=splits, dtype="float16")
    kernels = [job.model.get_layer(f"block_{block}_conv").kernel for block in range(3)]
    for weight in (job.model.get_layer("stem").bias, *kernels):
        weight.assign(0 * weight)  # rows are the stem's of the pixels alone
    place = min(step * BATCH_SIZE + 1, EXAMPLES - 1)
    visits = train_visits(job.config, splits.train, 1)
    splits.train.images[visits.index[place]] = value
    cache = open_cache(job)
    feed = feed_of(cache, job)
    stream = feed.train_stream(1, 0)
    assert len(taken(stream, feed)) == step
    assert stream.take(1, 1e9) == (None, 0) and stream.take(9, 0) == (None, 0)
    cache.widen(feed.number)
    feed = feed_of(cache, job)
    batches = taken(feed.train_stream(1, 0), feed)
    assert len(batches) == 6 and batches[0][0].dtype == np.float32
    np.testing.assert_allclose(joined(batches)[0], expected(job, cache, feed, 1)[0], rtol=1e-6)


def test_rows_of_nothing_but_zeros_are_in_range(tmp_path):
    splits = small_splits()
    job = job_of(tmp_path, splits=splits, dtype="float16")
    splits.train.images[:] = 0
    job.model.get_layer("stem").bias.assign([0] * 4)
    cache = open_cache(job)
    feed = feed_of(cache, job)
    assert len(taken(feed.train_stream(1, 0), feed)) == 6


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e-42])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_no_dtype_can_hold_better_goes_through(tmp_path, value, dtype):
    """Not a number stays so in float32: training has to see it, as it does without the cache."""
    splits = small_splits()
    job = job_of(tmp_path, splits=splits, dtype=dtype)
    job.model.get_layer("stem").bias.assign([0] * 4)
    splits.train.images[3] = value
    cache = open_cache(job)
    feed = feed_of(cache, job)
    if dtype == "float16" and len(taken(feed.train_stream(1, 0), feed)) < 6:
        cache.widen(feed.number)
        feed = feed_of(cache, job)
    assert len(taken(feed.train_stream(1, 0), feed)) == 6


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("phase", [0, 1])
def test_bits_depend_neither_on_the_group_nor_on_the_place_in_it(tmp_path, monkeypatch, phase, fold):
    """Resuming computes rows in other groups than before."""
    job = job_of(tmp_path, fold_batch_norm=fold)
    found = []
    for group, first_step in ((1, 0), (2, 0), (4, 0), (1, 3), (4, 5)):
        monkeypatch.setattr(GroupSize, "next", lambda self, *_: group)
        cache = open_cache(job)
        feed = feed_of(cache, job, phase)
        rows, _ = joined(taken(feed.train_stream(1, first_step), feed))
        found.append((first_step * BATCH_SIZE, rows))
        cache.close()
    for first, rows in found:
        np.testing.assert_array_equal(rows, found[0][1][first:])


def test_a_group_that_the_memory_is_too_small_for_runs_in_batches_with_the_same_bits(tmp_path, monkeypatch):
    job = job_of(tmp_path)
    feed_rows, asked = [], []
    monkeypatch.setattr(GroupSize, "next", lambda self, *_: max(self._seconds))
    monkeypatch.setattr(streams, "INPUT_BATCH", 8)  # 22 examples: a group of four batches, then of one
    for most in (32, 8):
        cache = open_cache(job)
        make = cache.row_function

        def row_function(numbers):
            run = make(numbers)

            def limited(inputs):
                asked.append(len(inputs))
                if len(inputs) > most:
                    raise tf.errors.ResourceExhaustedError(None, None, "injected")
                return run(inputs)

            return limited

        monkeypatch.setattr(cache, "row_function", row_function)
        feed = feed_of(cache, job)
        rows, _ = joined(taken(feed.train_stream(1, 0), feed))
        feed_rows.append(rows)
        assert set(cache.group_size._seconds) == ({1, 2, 4} if most == 32 else {1, 2})
        cache.close()
    assert asked == [32, 8, 8, 8, 32, 8, 8, 8], "the first of its size is compared with batches"
    np.testing.assert_array_equal(*feed_rows)


def test_a_group_that_rounds_otherwise_than_its_batches_is_not_used(tmp_path, monkeypatch):
    """Matrix products of 128 rows do, of some widths: resuming in other groups would find other bits."""
    job, asked, feed_rows = job_of(tmp_path), [], []
    monkeypatch.setattr(GroupSize, "next", lambda self, *_: 2 if 2 in self._seconds else 1)
    monkeypatch.setattr(streams, "INPUT_BATCH", 4)  # 22 examples: three groups of two batches
    for wrong in (None, 8):
        cache = open_cache(job)
        make = cache.row_function

        def row_function(numbers):
            run = make(numbers)

            def rounded(inputs):
                asked.append(len(inputs))
                return [(rows * (1 + 1e-6) if len(inputs) == wrong else rows, holds) for rows, holds in run(inputs)]

            return rounded

        monkeypatch.setattr(cache, "row_function", row_function)
        feed = feed_of(cache, job)
        feed_rows.append(joined(taken(feed.train_stream(1, 0), feed))[0])
        assert set(cache.group_size._seconds) == ({1} if wrong else {1, 2, 4})
        cache.close()
    assert asked == [8, 4, 4, 8, 8] + [8, 4, 4, 4, 4, 4, 4]
    np.testing.assert_array_equal(*feed_rows)


def test_group_sizes_are_tried_where_there_are_many_inputs_and_the_fastest_stays():
    few = GroupSize()
    assert {few.next(100) for _ in range(9)} == {1}
    many, speeds = GroupSize(), {1: 3.0, 2: 1.0, 4: 2.0}
    tried = []
    for _ in range(9):
        tried.append(many.next(10 ** 6))
        many.tell(tried[-1], 0.0 if tried.count(tried[-1]) == 1 else speeds[tried[-1]])
    assert sorted(tried) == [1] * 3 + [2] * 3 + [4] * 3, "each a few times, the first of which makes kernels"
    assert many.next(10 ** 6) == many.next(10) == 2


def one_by_one(stream, feed):
    """The rows of a batch at a time; no more is computed than it needs."""
    for _ in range(stream.steps):
        iterator, _ = stream.take(1, seconds=0)
        batch = next(iterator)
        yield (feed.rows.gather(batch["image"]) if feed.rows.in_memory else batch["image"]).numpy()


@pytest.mark.parametrize("mode", ["disk", "auto"])
def test_what_another_run_finishes_meanwhile_is_taken_and_not_computed(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(streams, "INPUT_BATCH", BATCH_SIZE)
    monkeypatch.setattr(streams, "_SECONDS_BETWEEN_LOOKS", 0.0)
    jobs = [job_of(tmp_path / name, mode=mode) for name in ("one", "other")]
    caches = [open_cache(job) for job in jobs]
    feeds = [feed_of(cache, job) for cache, job in zip(caches, jobs, strict=True)]
    runs = [one_by_one(feed.train_stream(1, 0), feed) for feed in feeds]
    found = [[], []]
    for turn in (0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1):
        found[turn].append(next(runs[turn]))
        caches[turn].finish()
    assert [cache.computed_rows for cache in caches] == [14, 8] and [cache.loaded_rows for cache in caches] == [8, 14]
    alone = job_of(tmp_path / "alone", mode="memory")
    feed = feed_of(open_cache(alone), alone)
    expected_rows, _ = joined(taken(feed.train_stream(1, 0), feed))
    for rows in found:
        np.testing.assert_array_equal(np.concatenate(rows), expected_rows)
    for cache in caches:
        cache.close()


def test_looking_for_what_others_have_finished_costs_a_list_of_a_folder_a_second(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "INPUT_BATCH", BATCH_SIZE)
    job = job_of(tmp_path, mode="auto")
    cache = open_cache(job)
    feed, looks = feed_of(cache, job), []
    monkeypatch.setattr(CutRows, "refresh", lambda rows: looks.append(rows))
    taken(feed.train_stream(1, 0), feed)
    assert looks == [*cache._open.values()], "once, at the beginning"
    cache.close()
