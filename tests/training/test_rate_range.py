"""The range test: rates rise by one factor, losses are those of training at them, the suggestion is in the fall."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.small_jobs import CACHED_CONFIG, CACHED_TASK, CONFIG, small_job
from tfpt.errors import TrainingFailed
from tfpt.training.rate_range import FEWEST_POINTS, RangeTest, RisingRate, range_test, SmoothedLosses, suggested_rate


def smoothed(losses):
    curve = SmoothedLosses()
    for loss in losses:
        curve.append(loss)
    return curve


def as_test(losses, lowest=1e-6, highest=1.0):
    rates = list(np.geomspace(lowest, highest, len(losses)))
    return RangeTest(rates, list(losses), list(losses), False)


def test_the_rate_rises_by_the_same_factor():
    rate = RisingRate(1e-4, 1.0, 5)
    assert [float(rate(step)) for step in range(5)] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0], rel=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert float(again(3)) == pytest.approx(0.1, rel=1e-5)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_the_average_is_within_what_it_is_of(losses):
    for place, value in enumerate(smoothed(losses).values):
        seen = losses[:place + 1]
        assert min(seen) - 1e-3 <= value <= max(seen) + 1e-3
    assert smoothed([3.0] * 5).values == pytest.approx([3.0] * 5)


@pytest.mark.parametrize("losses, is_hopeless", [
    ([2.0, math.nan], True), ([], False), ([1.0] * 8 + [900.0], False), ([1.0] * 9 + [900.0], True),
    ([1.0] * 50, False)])
def test_it_is_hopeless_where_a_loss_is_no_number_or_the_average_has_run_away(losses, is_hopeless):
    assert smoothed(losses).is_hopeless == is_hopeless


def test_the_suggestion_is_half_way_down_the_longest_fall():
    flat, fall, rise = [2.0] * 30, list(np.linspace(1.99, 0.5, 30)), list(np.linspace(0.6, 9, 40))
    test = as_test([*flat, *fall, *rise])
    assert suggested_rate(test) == pytest.approx(test.rates[29 + 15], rel=0.15)
    ripples = [loss + (0.02 if place % 2 else 0.0) for place, loss in enumerate([*flat, *fall, *rise])]
    assert suggested_rate(as_test(ripples)) == pytest.approx(test.rates[29 + 15], rel=0.5)


def test_the_first_updates_set_no_fall():
    """An average of one update is above all later ones; the fall that one sees is from place 60 on."""
    noise = 1.5 + 0.3 * np.random.default_rng(0).random(60)
    test = as_test([9.0, 8.0, 7.0, *noise[3:], *np.linspace(1.4, 0.3, 20), *np.linspace(0.4, 5, 20)])
    assert test.rates[60] < suggested_rate(test) < test.rates[75]


@pytest.mark.parametrize("losses", [[2.0] * 50, list(np.linspace(1, 2, 50)), [3.0, 2.0, 1.0]])
def test_without_a_fall_there_is_none(losses):
    assert suggested_rate(as_test(losses)) is None


@given(st.lists(st.floats(0.01, 100), min_size=FEWEST_POINTS, max_size=60))
def test_a_suggestion_is_one_of_the_rates(losses):
    test = as_test(losses)
    found = suggested_rate(test)
    assert found is None or found in test.rates


def test_losses_are_those_of_updates_at_these_rates(tmp_path):
    """A rate that hardly moves anything: the losses are those of the weights as they came."""
    still = range_test(small_job(tmp_path / "still"), 1, 1e-12, 1e-11, 6)
    assert still.rates == pytest.approx(list(np.geomspace(1e-12, 1e-11, 6)), rel=1e-4) and not still.diverged
    moved = range_test(small_job(tmp_path / "moved"), 1, 1e-12, 10.0, 6)
    assert moved.losses[0] == still.losses[0]
    assert moved.losses[-1] != still.losses[-1]


@pytest.mark.parametrize("task, config", [(CACHED_TASK, CACHED_CONFIG), (CACHED_TASK, replace(
    CACHED_CONFIG, cache=replace(CACHED_CONFIG.cache, mode="off")))])
def test_it_goes_round_the_data_and_ends_where_the_loss_runs_away(tmp_path, task, config):
    config = replace(config, optimizer=replace(config.optimizer, name="sgd"))
    job = small_job(tmp_path, config, task=task)
    steps = 5 * job.steps_per_epoch
    test = range_test(job, 1, 1e-3, 1e9, steps)
    assert job.steps_per_epoch < len(test.rates) == len(test.losses) == len(test.smoothed) < steps
    assert test.diverged and all(map(math.isfinite, test.losses))


def test_the_second_phase_trains_more(tmp_path):
    job = small_job(tmp_path, CONFIG)
    before = [weight.numpy() for weight in job.model.weights]
    range_test(job, job.phases[1].from_epoch, 1e-3, 1e-2, 4)
    changed = [not np.array_equal(old, weight.numpy()) for old, weight in zip(before, job.model.weights)]
    head = [weight.path.startswith("head_") for weight in job.model.weights]
    assert any(change and not is_head for change, is_head in zip(changed, head))


def test_it_stops_when_told(tmp_path):
    asked = []
    job = small_job(tmp_path, stop_signal=lambda: asked.append(1) or (2 if len(asked) > 3 else None))
    assert len(range_test(job, 1, 1e-6, 1e-3, 50).rates) == 3


def test_weights_that_are_no_numbers(tmp_path):
    job = small_job(tmp_path)
    kernel = job.model.get_layer("head_output").kernel
    kernel.assign(kernel * np.nan)
    with pytest.raises(TrainingFailed, match="The loss was nan at once, at a learning rate of 1.0e-06"):
        range_test(job, 1, 1e-6, 1e-3, 50)
