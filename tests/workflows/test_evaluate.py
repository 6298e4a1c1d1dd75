import json

import numpy as np
import pytest
from PIL import Image

from tests.workflows.finished_runs import PER_CLASS, write_pictures
from tfpt.config.loading import load_config
from tfpt.config.writing import to_yaml
from tfpt.errors import DataError, RunError
from tfpt.registry import get_task
from tfpt.workflows.evaluate import evaluate


def test_the_runs_own_test_split(run):
    report = evaluate("pictures-0001")
    assert report["data"] == "test" and report["accuracy"] == 1.0
    assert 0 < report["examples"] < 2 * PER_CLASS
    assert sum(map(sum, report["confusion_matrix"])) == report["examples"]
    assert report["where"] == "runs/pictures-0001/evaluation/test.json"
    stored = json.loads((run.evaluation / "test.json").read_text())
    assert stored == {name: value for name, value in report.items() if name != "where"}
    assert {file.name for file in run.evaluation.iterdir()} == {"test.json", "confusion_matrix.png"}


def test_other_data_with_a_broken_image(run, tmp_path):
    write_pictures(tmp_path / "new", per_class=3, seed=7)
    Image.fromarray(np.full((30, 40, 3), 10, np.uint8)).save(tmp_path / "new" / "light" / "wrong.png")
    (tmp_path / "new" / "dark" / "broken.png").write_bytes(b"no picture")
    report = evaluate(run, data=str(tmp_path / "new"))
    assert report["examples"] == 7 and report["accuracy"] == pytest.approx(6 / 7)
    assert [item["path"].endswith("broken.png") for item in report["left_out"]] == [True]
    assert {file.name for file in run.evaluation.iterdir()} == {"new.json", "confusion_matrix_new.png"}


def test_other_data_called_test_is_not_taken_for_the_test_split(run, tmp_path):
    write_pictures(tmp_path / "test", per_class=2, seed=8)
    assert evaluate(run, data="test/")["where"].endswith("data-test.json")


def test_data_that_changed_since_training_is_refused(run, tmp_path):
    write_pictures(tmp_path / "pictures", per_class=PER_CLASS - 1)
    task = get_task("image_classification")
    config = load_config(task.config_class, recipe=run.config_file, settings={"data.path": str(tmp_path / "pictures")})
    run.config_file.write_text(to_yaml(config))
    with pytest.raises(DataError, match="changed since training.*--data PATH"):
        evaluate(run)
    assert not run.evaluation.exists()


def test_an_unfinished_run(run):
    run.update_manifest(status="running")
    with pytest.raises(RunError, match="not finished"):
        evaluate(run)


def test_a_run_that_is_not_there(run):
    with pytest.raises(RunError, match="Did you mean pictures-0001"):
        evaluate("pictures-0002")
