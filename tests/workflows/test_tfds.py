"""Training on a data set of TensorFlow Datasets that is killed and resumed ends with the bits of one that was not."""

import signal

import pytest

from tests.conformance.processes import finish, last_arrays, stop_at
from tests.data.tfds.prepared_sets import FORMATS, pictures, prepare

TASK = "image_classification"


@pytest.mark.nightly
@pytest.mark.parametrize("file_format", FORMATS)
def test_killed_and_resumed_it_ends_with_the_same_bits(tmp_path, file_format):
    prepare(tmp_path / "sets", {"train": pictures(90), "test": pictures(9, 500)}, file_format=file_format)
    arguments = ["data.path=tfds:shapes", f"data.data_dir={tmp_path / 'sets'}", "data.memory_mb=0", "cache.mode=off"]
    finish(TASK, tmp_path / "whole", *arguments)
    killed = tmp_path / "killed"
    often = "train.checkpoint_seconds=0.001"
    assert stop_at(TASK, killed, 1, signal.SIGKILL, *arguments, often) == -signal.SIGKILL
    assert stop_at(TASK, killed, 3, signal.SIGKILL, *arguments, often, "--resume") == -signal.SIGKILL
    finish(TASK, killed, *arguments, "--resume")
    assert (killed / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()
    assert last_arrays(killed) == last_arrays(tmp_path / "whole")
