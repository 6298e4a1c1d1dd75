"""Event files, as TensorBoard's loaders read them."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.plugins.histogram import summary_v2 as histogram_summary
from tensorboard.plugins.pr_curve import summary as pr_curve_summary

from tfpt.training import event_files
from tfpt.training.event_files import EventFile, histogram, image, pr_curve, scalars, text, write_alone


def read(folder):
    """(step, value) of every scalar, by tag."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {tag: [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
            for tag in events.Tags()["tensors"]}


def array_of(summary):
    return tf.make_ndarray(summary.value[0].tensor)


def test_a_step_done_again_takes_the_place_of_what_there_was_from_it_on(tmp_path):
    file = EventFile(tmp_path)
    for step, value in ((1, 0.1), (2, 0.2), (3, 0.3), (2, 0.25), (3, 0.35)):
        file.write(step, scalars({"loss": value}))
    file.close()
    assert [step for step, _ in read(tmp_path)["loss"]] == [1, 2, 3]
    assert [value for _, value in read(tmp_path)["loss"]] == pytest.approx([0.1, 0.25, 0.35])


def test_another_process_goes_on_in_a_file_that_is_read_after_the_others(tmp_path, monkeypatch):
    first = EventFile(tmp_path)
    for step in (1, 2, 3):
        first.write(step, scalars({"loss": 1.0}))
    monkeypatch.setattr(event_files.time, "time", lambda: 1e9)  # the clock was set back
    second = EventFile(tmp_path)
    second.write(3, scalars({"loss": 2.0}))
    assert second.path.name > first.path.name
    assert read(tmp_path)["loss"] == [(1, 1.0), (2, 1.0), (3, 2.0)]


def test_what_is_written_alone_is_replaced(tmp_path):
    for value in (1.0, 2.0):
        write_alone(tmp_path, ".best", 4, scalars({"accuracy": value}))
    assert read(tmp_path) == {"accuracy": [(4, 2.0)]} and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("problem", [OSError("full"), tf.errors.ResourceExhaustedError(None, None, "full")])
def test_what_can_not_be_replaced_stays(tmp_path, monkeypatch, problem):
    def full(self, step, summaries):
        raise problem

    write_alone(tmp_path, ".best", 4, scalars({"accuracy": 1.0}))
    monkeypatch.setattr(EventFile, "write", full)
    with pytest.raises(type(problem)):
        write_alone(tmp_path, ".best", 5, scalars({"accuracy": 2.0}))
    assert read(tmp_path) == {"accuracy": [(4, 1.0)]} and len(list(tmp_path.iterdir())) == 1


def test_a_histogram_is_tensorboards_own():
    values = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    expected = array_of(histogram_summary.histogram_pb("w", values))
    found = array_of(histogram("w", values))
    assert found[:, :2] == pytest.approx(expected[:, :2]) and found[:, 2].sum() == 2000
    assert np.abs(found[:, 2] - expected[:, 2]).max() <= 1  # the largest value, or one on an edge


@pytest.mark.parametrize("values", [[], [np.nan], [3.0, 3.0], [1.0, np.inf, 2.0]])
def test_a_histogram_of_odd_values(values):
    buckets = array_of(histogram("w", np.array(values)))
    assert buckets.shape == (30, 3) and np.isfinite(buckets).all()
    assert buckets[:, 2].sum() == np.isfinite(values).sum()


def test_a_curve_is_tensorboards_own():
    generator = np.random.default_rng(0)
    positive = generator.random(500) < 0.3
    scores = np.clip(generator.random(500) + 0.2 * positive, 0, 1).astype(np.float32)
    expected = array_of(pr_curve_summary.pb("c", positive, scores, num_thresholds=101))
    assert array_of(pr_curve("c", positive, scores)) == pytest.approx(expected)


def test_a_picture_and_a_text():
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, "PNG")
    summary = image("p", buffer.getvalue(), "what it is")
    assert array_of(summary).tolist() == [b"30", b"20", buffer.getvalue()]
    assert summary.value[0].metadata.summary_description == "what it is"
    assert array_of(text("t", "# ä")).item() == "# ä".encode()
