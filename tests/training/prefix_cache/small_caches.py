"""An open prefix cache on a small job, outside the loop."""

from dataclasses import replace

from tests.training.small_jobs import CACHED_CONFIG, CACHED_TASK, small_job
from tfpt.training.freezing import apply_phase
from tfpt.training.graph_split import reached_nodes
from tfpt.training.prefix_cache.cache import PrefixCache


def job_of(folder, splits=None, change=None, **cache):
    """``change`` is done to the model before anything is computed."""
    config = replace(CACHED_CONFIG, cache=replace(CACHED_CONFIG.cache, **cache))
    job = small_job(folder, config, task=CACHED_TASK, splits=splits)
    if change:
        change(job.model)
    return job


def open_cache(job, widened=()):
    return PrefixCache(job.task, job.config, job.splits, job.model, job.cache_plan, widened)


def feed_of(cache, job, phase=0):
    layers = apply_phase(job.model, job.units, job.phases[phase])
    return cache.feed(job.cache_plan.phases[phase], job.cache_plan.held(phase), reached_nodes(job.model, layers))


def taken(stream, feed, wanted=100, seconds=1e9):
    """All batches that a stream gives, as (rows, labels), until it is through or gives none."""
    batches, steps = [], 0
    while steps < stream.steps:
        iterator, count = stream.take(wanted, seconds)
        if not count:
            break
        for _ in range(count):
            batch = next(iterator)
            rows = feed.rows.gather(batch["image"]) if feed.rows.in_memory else batch["image"]
            batches.append((rows.numpy(), batch["label"].numpy()))
        steps += count
    return batches
