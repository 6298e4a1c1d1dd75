import json
import math

import numpy as np
import pytest

from tests.tuning.results import completed, failed
from tfpt.errors import RunError
from tfpt.tuning.record import read_record, search_record, write_record


def record(results, **changes):
    return search_record(**{
        "tune": "runs/tune-0001", "task": "image_classification", "status": "finished", "search": "random",
        "objective": "accuracy", "direction": "max", "space": {"freeze.unfreeze": [0, 5]}, "results": results,
        "best_run": None, "shared": {"cuts": ["block_12_add"], "computed_rows": 10}, "wall_seconds": 3.14159, "seed": 0,
        **changes})


def test_what_is_written_is_read_back(tmp_path):
    written = write_record(tmp_path, record([completed(1, 0.5, a=(128, 64)), failed(2, a=None)]))
    assert read_record(tmp_path) == written and [file.name for file in tmp_path.iterdir()] == ["tuning.json"]
    assert list(written) == ["tune", "task", "status", "search", "objective", "space", "trials", "best", "shared",
                             "wall_seconds", "seed", "versions"]
    assert written["best"] == {"number": 1, "score": 0.5, "values": {"a": [128, 64]}, "config": "best.yaml"}
    assert written["objective"] == {"name": "accuracy", "direction": "max"} and "tfpt" in written["versions"]
    assert [trial["why"] for trial in written["trials"]] == [None, "loss not finite at epoch 2"]


def test_the_run_of_the_best_values_is_named():
    assert record([completed(1, 0.5)], best_run="runs/x-0001")["best"]["run"] == "runs/x-0001"


def test_no_completed_trial_no_best():
    assert record([failed(1)])["best"] is None and record([])["trials"] == []


def test_numbers_that_are_not_finite_become_null_and_numpy_plain(tmp_path):
    result = completed(1, np.float32(0.5), rate=np.float64(0.25), depth=np.int64(3), bad=math.nan)
    write_record(tmp_path, record([result], shared={"seconds": np.inf, "rows": np.arange(2), "where": tmp_path}))
    text = (tmp_path / "tuning.json").read_text()
    found = json.loads(text, parse_constant=pytest.fail)
    assert found["trials"][0]["values"] == {"rate": 0.25, "depth": 3, "bad": None}
    assert found["shared"] == {"seconds": None, "rows": [0, 1], "where": str(tmp_path)}


@pytest.mark.parametrize(("content", "words"), [(None, "no tuning.json"), ("{", "can't be read"), ("[]", "no list"),
                                                ("{\"trials\": 3}", "no list"), ("[" * 100000, "can't be read")])
def test_a_missing_or_damaged_record_is_one_paragraph(tmp_path, content, words):
    if content:
        (tmp_path / "tuning.json").write_text(content)
    with pytest.raises(RunError, match=words) as caught:
        read_record(tmp_path)
    assert str(tmp_path) in str(caught.value)
