"""The freeze phase that the loop is in: what trains, the prefix cache that feeds it, the program that runs it."""

import dataclasses
import gc
from collections.abc import Sequence
from typing import Any

import keras

from tfpt.training.conditions import Conditions, conditions
from tfpt.training.feeds import DirectFeed, Feed
from tfpt.training.freezing import Phase, apply_phase, frozen_digest, weight_digests
from tfpt.training.graph_split import reached_nodes
from tfpt.training.job import Job, LoopState, applied_updates
from tfpt.training.prefix_cache.cache import CachedFeed, PrefixCache
from tfpt.training.programs import make_program
from tfpt.training.recovery import FROZEN, memory_watched


class PhaseRunner:
    """Enters the phases of ``job``. Within it the cache is open; ``program`` is that of the last phase entered."""

    def __init__(self, job: Job, state: LoopState):
        self.job = job
        self.program: Any = None
        self.cache = self._open_cache(state)
        self._entered: tuple[Phase, Conditions] | None = None

    def __enter__(self) -> "PhaseRunner":
        return self

    def __exit__(self, *error: Any) -> None:
        self.program = None
        if self.cache:
            self.cache.__exit__(*error)

    def phase(self, epoch: int) -> Phase:
        """The phase of ``epoch``."""
        return next(phase for phase in self.job.phases if phase.from_epoch <= epoch <= phase.to_epoch)

    def enter(self, state: LoopState) -> None:
        """Make the program of the epoch in ``state``, unless the one of the epoch before will do."""
        job, phase, under = self.job, self.phase(state.epoch), conditions(state.recoveries, state.epoch)
        if (phase, under) == self._entered:
            return
        self.program = None  # it holds the rows of the phase before
        if self.cache and job.shared is None and self.cache.widened != set(state.widened):
            self.cache.close()  # the loop has gone back to before rows became float32
            self.cache = self._open_cache(state)
        layers = apply_phase(job.model, job.units, phase)
        if state.epoch == phase.from_epoch and state.step == 0:
            state.phase_digests, state.phase_updates = weight_digests(job.model), applied_updates(job)
            if job.average is not None:
                job.average.begin_phase(job.model, is_first=state.epoch == 1)
        feed = self._make_feed(phase, layers, under.cached)
        if job.shared is None:
            self.program = make_program(job, phase, feed, under)
        else:
            key = (job.shared.key, dataclasses.replace(phase, from_epoch=0, to_epoch=0), feed.rows,
                   frozen_digest(job.model))
            self.program = job.shared.programs.get(key, lambda: make_program(job, phase, feed))
        self._entered = phase, under

    def leave(self) -> None:
        """What was entered is entered anew; its memory is free."""
        self.program = self._entered = None
        gc.collect()  # traced functions are in cycles

    def widen(self, state: LoopState) -> None:
        """Make the phase's feed anew, with float32 rows: an activation is out of the range of the cache's dtype."""
        assert self.cache and isinstance(self.program.feed, CachedFeed)
        self.cache.widen(self.program.feed.number)
        state.widened = sorted(self.cache.widened)
        self._entered = None
        self.enter(state)
        cached = isinstance(self.program.feed, CachedFeed)
        goes_on = "float32" if cached else "no room for float32, so without the cache"
        self.job.screen.line("cache", f"an activation is out of {self.job.cache_plan.dtype}'s range: {goes_on} from "
                                      f"epoch {state.epoch}, step {state.step + 1} on")

    def tell_prefix(self, seconds: float) -> None:
        """How many rows were computed in this epoch, and how fast; what is on disk is whole then."""
        if self.cache and self.job.shared is None:  # else whoever shares it tells
            text = self.cache.finish(seconds)
            for notice in self.cache.notices:
                self.job.screen.line("cache", notice)
            self.cache.notices.clear()
            if text:
                self.job.screen.line("prefix", text)

    def _open_cache(self, state: LoopState) -> PrefixCache | None:
        job = self.job
        if job.shared is not None:
            return job.shared.cache
        return PrefixCache(job.task, job.config, job.splits, job.model, job.cache_plan, state.widened) \
            if job.cache_plan.cuts else None

    def _make_feed(self, phase: Phase, layers: Sequence[keras.Layer], cached: bool) -> Feed:
        job, plan, number = self.job, self.job.cache_plan, self.job.phases.index(phase)
        reached = reached_nodes(job.model, layers)
        own, held = (plan.phases[number], plan.held(number)) if cached else (None, [])
        with memory_watched(FROZEN):
            feed = self.cache.feed(own, held, reached) if self.cache else None
        fold = job.config.cache.fold_batch_norm and job.config.cache.mode != "off"
        return feed or DirectFeed(job.task, job.config, job.splits, job.model, reached, fold)
