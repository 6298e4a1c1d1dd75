"""What is computed once is found again by later runs, unless anything that it depends on has changed."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.prefix_cache.small_caches import feed_of, job_of, open_cache, taken
from tests.training.small_jobs import EXAMPLES, small_splits
from tfpt import runtime
from tfpt.data.row_folders import list_folders
from tfpt.training.prefix_cache.cache import PrefixCache


def compute(job, phase=0, epochs=(1,), widened=(), close=True):
    """Run epochs and a validation outside the loop; returns the cache and the rows of the last epoch."""
    cache = open_cache(job, widened)
    feed = feed_of(cache, job, phase)
    for epoch in epochs:
        batches = taken(feed.train_stream(epoch, 0), feed)
    taken(feed.validation_stream(), feed)
    if close:
        cache.close()
    return cache, np.concatenate([rows for rows, _ in batches])


@pytest.mark.parametrize("mode", ["disk", "auto"])
def test_a_second_run_computes_nothing(tmp_path, mode):
    first, rows = compute(job_of(tmp_path / "1", mode=mode), epochs=(1, 2))
    second_job = job_of(tmp_path / "2", mode=mode)
    second, again = compute(second_job, epochs=(1, 2))
    assert first.computed_rows > EXAMPLES and first.loaded_rows == 0
    assert second.computed_rows == 0 and second.loaded_rows == first.computed_rows
    assert second_job.splits.train.asked == second_job.splits.validation.asked == []
    np.testing.assert_array_equal(again, rows)


def test_memory_and_disk_share_their_rows(tmp_path):
    _, rows = compute(job_of(tmp_path / "1", mode="auto"))
    other, again = compute(job_of(tmp_path / "2", mode="disk"))
    assert other.computed_rows == 0
    np.testing.assert_array_equal(again, rows)


def test_memory_alone_leaves_nothing(tmp_path, own_cache):
    compute(job_of(tmp_path / "1", mode="memory"))
    assert list_folders() == [] and not (own_cache / "prefix").exists()
    assert compute(job_of(tmp_path / "2", mode="memory"))[0].computed_rows == 2 * EXAMPLES


def nudge(layer, weight):
    def change(model):
        variable = getattr(model.get_layer(layer), weight)
        variable.assign(np.nextafter(variable.numpy(), np.float32(9)))
    return change


@pytest.mark.parametrize("layer, weight, computed", [
    ("stem", "kernel", 2), ("block_0_bn", "moving_mean", 2), ("block_1_conv", "kernel", 2),
    ("block_2_conv", "kernel", 2), ("head_output", "kernel", 0)])
def test_a_changed_weight_in_front_of_the_cut_computes_everything_again(tmp_path, layer, weight, computed):
    compute(job_of(tmp_path / "1", mode="auto"))
    again, _ = compute(job_of(tmp_path / "2", mode="auto", change=nudge(layer, weight)))
    assert again.computed_rows == computed * EXAMPLES


def test_a_weight_behind_the_cut_changes_nothing(tmp_path):
    compute(job_of(tmp_path / "1", mode="auto"), phase=1)
    again, _ = compute(job_of(tmp_path / "2", mode="auto", change=nudge("block_2_conv", "kernel")), phase=1)
    assert again.computed_rows == 0


def test_one_changed_example_recomputes_one(tmp_path):
    compute(job_of(tmp_path / "1", mode="auto"))
    splits = small_splits()
    splits.train.images[5, 0, 0, 0] += 0.5
    again, _ = compute(job_of(tmp_path / "2", mode="auto", splits=splits))
    assert again.computed_rows == 1 and [index for index, _ in splits.train.asked] == [5]


@pytest.mark.parametrize("options", [{"dtype": "bfloat16"}, {"fold_batch_norm": True}], ids=str)
def test_rows_of_another_kind_are_not_mistaken_for_these(tmp_path, options):
    compute(job_of(tmp_path / "1", mode="auto"))
    again, _ = compute(job_of(tmp_path / "2", mode="auto", **options))
    assert again.computed_rows == 2 * EXAMPLES


def test_another_machine_setting_computes_its_own_rows(tmp_path, monkeypatch):
    compute(job_of(tmp_path / "1", mode="auto"))
    elsewhere = {**runtime.environment(), "intra_op_threads": 99}
    monkeypatch.setattr(runtime, "environment", lambda: elsewhere)
    assert compute(job_of(tmp_path / "2", mode="auto"))[0].computed_rows == 2 * EXAMPLES


def test_what_is_not_finished_is_lost_and_what_is_stays(tmp_path):
    """A run that is killed: its descriptors vanish without a close."""
    job = job_of(tmp_path / "1", mode="auto")
    killed = open_cache(job)
    feed = feed_of(killed, job)
    taken(feed.train_stream(1, 0), feed)
    killed.finish()
    taken(feed.validation_stream(), feed)
    again, _ = compute(job_of(tmp_path / "2", mode="auto"))
    assert again.computed_rows == EXAMPLES
    killed.close()


def test_finish_tells_what_is_new_since_it_was_last_asked(tmp_path):
    job = job_of(tmp_path / "1", mode="auto")
    cache = open_cache(job)
    feed = feed_of(cache, job)
    taken(feed.train_stream(1, 0), feed)
    assert cache.finish(2.0) == f"{EXAMPLES} images run at 11/s · 2.0 s" and cache.finish(2.0) == ""
    taken(feed.validation_stream(), feed)
    assert cache.finish(1.0).startswith(f"{EXAMPLES} images run at {EXAMPLES}/s")
    cache.close()
    job = job_of(tmp_path / "2", mode="auto")
    cache = open_cache(job)
    feed = feed_of(cache, job)
    taken(feed.train_stream(1, 0), feed)
    assert cache.finish(2.0) == f"{EXAMPLES} found from another run · 2.0 s"
    cache.close()


def test_widened_rows_are_computed_in_float32(tmp_path):
    job = job_of(tmp_path, dtype="float16", mode="auto")
    _, narrow = compute(job)
    number = job.cache_plan.phases[0]
    cache, wide = compute(job, widened=[number])
    assert narrow.dtype == np.float16 and wide.dtype == np.float32 and cache.computed_rows == 2 * EXAMPLES
    np.testing.assert_array_equal(wide.astype(np.float16), narrow)


@pytest.mark.parametrize("mode", ["memory", "auto"])
def test_widening_one_cut_leaves_the_rows_that_are_kept_ahead(tmp_path, mode):
    job = job_of(tmp_path, dtype="float16", mode=mode)
    cache = open_cache(job)
    feed = feed_of(cache, job)
    for epoch in (1, 2):
        taken(feed.train_stream(epoch, 0), feed)
    cache.widen(feed.number)
    feed = feed_of(cache, job)
    for epoch in (1, 2, 3, 4):
        taken(feed.train_stream(epoch, 0), feed)
    taken(feed.validation_stream(), feed)
    computed = cache.computed_rows
    later = feed_of(cache, job, 1)
    batches = taken(later.train_stream(1, 0), later)
    assert len(batches) == 6 and cache.computed_rows == computed and batches[0][0].dtype == np.float16
    cache.close()


@pytest.mark.parametrize("mode", ["memory", "auto"])
def test_cuts_that_are_held_together_share_the_budget(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(PrefixCache, "_most_rows", lambda cache: 1020)  # each cut fits into a MiB by itself
    job = job_of(tmp_path, mode=mode, budget_mb=1)
    cache, (own, ahead) = open_cache(job), job.cache_plan.phases
    feed_of(cache, job, 0)
    in_memory = {number: rows.in_memory for number, rows in cache._open.items()}
    assert in_memory == ({own: True} if mode == "memory" else {own: True, ahead: False})
    assert feed_of(cache, job, 1).rows.in_memory == (mode == "memory")
    cache.close()


def test_closing_makes_room_with_what_was_used_longest_ago_and_its_own_rows_last(tmp_path):
    compute(job_of(tmp_path / "1", mode="auto"))
    before = {folder.name for folder in list_folders()}
    compute(job_of(tmp_path / "2", mode="auto", dtype="bfloat16"))
    own = [folder for folder in list_folders() if folder.name not in before]
    limit = sum(folder.bytes for folder in own) + 100
    compute(job_of(tmp_path / "3", mode="auto", dtype="bfloat16", max_gb=limit / 1e9))
    assert {folder.name for folder in list_folders()} == {folder.name for folder in own}
    again, _ = compute(job_of(tmp_path / "4", mode="auto", dtype="bfloat16", max_gb=1e-9))
    assert again.computed_rows == 0 and list_folders() == []


def test_a_training_that_goes_on_for_longer_has_room_for_the_views_that_come(tmp_path):
    """The plan is that of the first, shorter run: one epoch, one view of each."""
    job = job_of(tmp_path)
    short = replace(job, cache_plan=replace(job.cache_plan, rows=2 * EXAMPLES))
    cache, rows = compute(short, epochs=(1, 2, 3, 4))
    _, expected = compute(job, epochs=(4,))
    np.testing.assert_array_equal(rows, expected)
