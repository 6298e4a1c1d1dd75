"""Phases are entered once, and anew where the loop has gone back or something is decided."""

from dataclasses import replace

import pytest
import tensorflow as tf

from tests.training.small_jobs import CACHED_CONFIG, CACHED_TASK, small_job
from tfpt.training.feeds import DirectFeed
from tfpt.training.job import LoopState
from tfpt.training.phase_runner import PhaseRunner
from tfpt.training.prefix_cache.cache import CachedFeed


CONFIG = replace(CACHED_CONFIG, cache=replace(CACHED_CONFIG.cache, dtype="float16"))


def runner(folder, state):
    return PhaseRunner(small_job(folder, CONFIG, task=CACHED_TASK), state)


def test_epochs_of_a_phase_share_a_program(tmp_path):
    programs = []
    with runner(tmp_path, LoopState()) as phases:
        for epoch in (1, 2, 3, 4):
            phases.enter(LoopState(epoch=epoch))
            programs.append(phases.program)
    assert programs[0] is programs[1] and programs[2] is programs[3] and programs[1] is not programs[2]
    assert phases.program is None


@pytest.mark.parametrize("entry, feed", [({"learning_rate": 1.0}, CachedFeed), ({"cache": "off"}, DirectFeed)])
def test_a_decision_in_the_middle_of_a_phase_needs_another(tmp_path, entry, feed):
    journal = [{"epoch": 2, **entry}]
    with runner(tmp_path, LoopState()) as phases:
        phases.enter(LoopState(epoch=1, recoveries=journal))
        first = phases.program
        phases.enter(LoopState(epoch=2, recoveries=journal))
        assert phases.program is not first
        assert isinstance(first.feed, CachedFeed) and isinstance(phases.program.feed, feed)
        assert bool(phases.cache._open) == (feed is CachedFeed)


def test_gone_back_to_before_rows_became_float32_they_are_narrow_again(tmp_path):
    state = LoopState()
    with runner(tmp_path, state) as phases:
        phases.enter(state)
        phases.widen(state)
        wide, number = phases.cache, phases.program.feed.number
        assert wide.rows(number).dtype == tf.float32 and state.widened == [number]
        phases.leave()
        phases.enter(state)
        assert phases.cache is wide
        phases.leave()
        phases.enter(LoopState())
        assert phases.cache is not wide and phases.cache.rows(number).dtype == tf.float16 and not wide._open
