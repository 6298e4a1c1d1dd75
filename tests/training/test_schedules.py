"""Learning rates over steps, against their formulas."""

import math

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpt.config.shared import OptimizerConfig
from tfpt.errors import ConfigError
from tfpt.training.schedules import learning_rate


def rate_at(schedule, step):
    return float(schedule(step)) if callable(schedule) else schedule


def test_constant_is_a_number_that_callbacks_may_set():
    assert learning_rate(OptimizerConfig(schedule="constant"), 10, 5) == 0.001


@pytest.mark.parametrize("name, middle", [
    ("linear", 0.1 + 0.9 / 2), ("cosine", 0.1 + 0.9 / 2), ("exponential", math.sqrt(0.1))])
def test_schedules_begin_high_end_low_and_pass_their_middle(name, middle):
    schedule = learning_rate(OptimizerConfig(learning_rate=1.0, schedule=name, final_rate=0.1), 10, 4)
    assert rate_at(schedule, 0) == pytest.approx(1.0)
    assert rate_at(schedule, 20) == pytest.approx(middle, rel=1e-5)
    assert rate_at(schedule, 40) == pytest.approx(0.1, rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(["constant", "linear", "exponential", "cosine"]), warmup=st.integers(1, 9))
def test_warm_up_rises_linearly_then_follows_the_schedule(name, warmup):
    config = OptimizerConfig(learning_rate=0.5, schedule=name, warmup_epochs=warmup / 10)
    schedule = learning_rate(config, 10, 2)
    for step in range(warmup):
        assert rate_at(schedule, step) == pytest.approx(0.5 * (step + 1) / (warmup + 1), rel=1e-5)
    assert rate_at(schedule, warmup) == pytest.approx(0.5)
    rates = [rate_at(schedule, step) for step in range(warmup, 21)]
    assert all(later <= earlier + 1e-7 for earlier, later in zip(rates, rates[1:]))


def test_warm_up_survives_serialisation():
    schedule = learning_rate(OptimizerConfig(warmup_epochs=1), 10, 5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert [rate_at(again, step) for step in (0, 5, 30)] == [rate_at(schedule, step) for step in (0, 5, 30)]


def test_a_warm_up_longer_than_the_run_is_refused():
    with pytest.raises(ConfigError, match="warmup_epochs: 5"):
        learning_rate(OptimizerConfig(warmup_epochs=5), 10, 5)


def test_an_exponential_schedule_to_zero_is_refused():
    with pytest.raises(ConfigError, match="final_rate"):
        learning_rate(OptimizerConfig(schedule="exponential", final_rate=0.0), 10, 5)
