import json

import pytest

from tfpt.errors import RunError
from tfpt.run_directory import Run
from tfpt.workflows.run_record import checked_record

RECORD = {"task": "image_classification", "metadata": {"class_names": ["a", "b"], "image_size": 32},
          "fingerprints": {"data": "ab"}, "environment": {}, "epochs": 3, "seed": 5}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.yaml").write_text("data: {}\n")
    return Run(tmp_path)


def test_what_a_training_wrote_comes_back(run):
    run.manifest_file.write_text(json.dumps(RECORD))
    assert checked_record(run) == RECORD


def test_what_a_task_misses_in_the_metadata_is_named(run):
    run.manifest_file.write_text(json.dumps(RECORD))
    with pytest.raises(RunError, match="metadata.vocabulary, written by a training"):
        checked_record(run)["metadata"]["vocabulary"]


@pytest.mark.parametrize("name, values", [
    ("epochs", {"epochs": 0}), ("epochs", {"epochs": True}), ("seed", {"seed": 2**32}), ("seed", {"seed": "5"}),
    ("fingerprints", {"fingerprints": {"data": "ab", "more": 5}}), ("cache", {"cache": []}),
    ("metadata.class_names", {"metadata": {"class_names": []}}),
    ("metadata.class_names", {"metadata": {"class_names": [1]}}),
    ("metadata.class_counts", {"metadata": {"class_counts": ["x"]}}),
    ("metadata.image_size", {"metadata": {"image_size": -1}})])
def test_parts_of_another_kind_are_refused(run, name, values):
    run.manifest_file.write_text(json.dumps({**RECORD, **values}))
    with pytest.raises(RunError, match=f"to hold {name} as a training writes it"):
        checked_record(run)
