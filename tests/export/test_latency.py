import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.export.signatures import picture, save_functions
from tfpt.errors import CheckFailed
from tfpt.export import latency
from tfpt.export.ask import CPP_LOADER, Timing
from tfpt.export.latency import measure_latency, nearest_rank
from tfpt.export.loaders import job

SHORT = Timing(seconds=0.2, limit_seconds=20, least_calls=5, most_calls=10, untimed_calls=2)
REQUESTS = {"image_bytes": [picture(level) for level in (20, 120, 230)]}


@pytest.mark.parametrize("loader", ["cpp", "python"])
def test_real_calls(small_export, monkeypatch, loader):
    monkeypatch.setattr(latency, "cpp_loader_available", lambda: loader == "cpp")
    measured = measure_latency(small_export, REQUESTS, (1, 4), timing=SHORT)
    assert [result.batch_size for result in measured] == [1, 4]
    for result in measured:
        assert result.loader == loader and 5 <= result.calls <= 10
        assert 0 < result.p50_ms <= result.p99_ms < 20_000
        # Of so few calls none is slower than p99; half of them are not faster than p50.
        mean_ms = result.batch_size * 1000 / result.examples_per_second
        assert 0.499 * result.p50_ms <= mean_ms <= 1.001 * result.p99_ms


def test_another_signature_and_its_errors(small_export):
    pixels = {"pixels": np.full((2, 32, 32, 3), 200, np.uint8)}
    [result] = measure_latency(small_export, pixels, [8], signature="pixels_uint8", timing=SHORT)
    assert result.batch_size == 8 and result.calls >= 5
    with pytest.raises(CheckFailed, match="it takes {'pixels': 'uint8'}, but was given {'pixels': 'bytes'}"):
        measure_latency(small_export, {"pixels": [b""]}, signature="pixels_uint8", timing=SHORT)


def test_nothing_to_measure_with(small_export):
    for requests in ({}, {"image_bytes": []}):
        with pytest.raises(ValueError, match="no examples"):
            measure_latency(small_export, requests)


def test_every_example_is_sent_in_full_batches(monkeypatch):
    sent = []

    def time_calls(directory, signature, groups, timing, **_):
        sent.extend(groups)
        return [np.ones(1)] * len(groups)

    monkeypatch.setattr(latency, "time_calls", time_calls)
    measure_latency(Path(), {"text": [b"%d" % number for number in range(5)], "x": np.arange(5.0)}, (1, 2, 7))
    for size, group in zip((1, 2, 7), sent):
        assert {len(values) for batch in group for values in batch.values()} == {size}
        assert {text for batch in group for text in batch["text"]} == {b"0", b"1", b"2", b"3", b"4"}
        assert all(batch["x"].tolist() == [float(text) for text in batch["text"]] for batch in group)
    measure_latency(Path(), {"x": np.arange(1000)}, [1])
    assert len(sent[-1]) == latency.MOST_EXAMPLES


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200), st.sampled_from([1, 50, 99, 100]))
def test_nearest_rank(values, percent):
    found = nearest_rank(np.array(values), percent)
    assert found in values
    assert sum(value <= found for value in values) >= math.ceil(percent / 100 * len(values))
    assert sum(value < found for value in values) < max(percent / 100 * len(values), 1)


def test_of_twenty_calls_the_slowest_is_p99_and_of_three_hundred_the_fourth_slowest():
    assert nearest_rank(np.arange(1.0, 21), 99) == 20 and nearest_rank(np.arange(1.0, 301), 99) == 297
    assert nearest_rank(np.arange(1.0, 21), 50) == 10


@pytest.mark.parametrize("call_seconds, calls", [
    (0.001, 300),  # as many as are allowed
    (0.1, 30),  # for three seconds
    (1.0, 20),  # enough for a p50
    (2.0, 15),  # but not for ever
    (100.0, 1)])
def test_how_often_is_called(monkeypatch, call_seconds, calls):
    now, sent = [0.0], []

    def call(batch):
        sent.append(batch)
        now[0] += call_seconds

    monkeypatch.setattr(job.time, "perf_counter", lambda: now[0])
    timing = Timing()
    seconds = job._call_seconds(call, ["a", "b", "c"], timing.least_calls, timing.most_calls, timing.seconds - 1e-6,
                                timing.limit_seconds - 1e-6)
    assert len(seconds) == len(sent) == calls and seconds == pytest.approx([call_seconds] * calls)
    assert sent[:4] == ["a", "b", "c", "a"][:calls]


def test_a_slow_answer_counts_as_a_whole(tmp_path, small_export):
    """Of an export that is slower for one input, the slowest call is that one's."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "rounds")])
    def spin(rounds):
        return {"y": tf.while_loop(lambda i: i < rounds[0], lambda i: [i + 1], [0])[0][None]}

    save_functions(tmp_path / "1", {"serving_default": spin})
    rounds = {"rounds": np.array([1, 30_000], np.int32)}
    [result] = measure_latency(tmp_path / "1", rounds, [1], timing=SHORT)
    assert result.loader == CPP_LOADER.key and result.p99_ms > 3 * result.p50_ms
