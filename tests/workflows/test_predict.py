import json

import numpy as np
import pytest

from tfpt.errors import DataError, RunError, UsageError
from tfpt.workflows.predict import predict


def test_in_the_order_of_the_inputs(run, finished):
    pictures = [finished[0] / name for name in ("light/3.png", "dark/0.png", "light/1.png")]
    predictions = list(predict("pictures-0001", pictures, top=1))
    assert [item["label"] for item in predictions] == ["light", "dark", "light"]
    assert [item["input"] for item in predictions] == [str(path) for path in pictures]
    assert all(item["top"] == [{"label": item["label"], "score": item["score"]}] for item in predictions)
    assert json.loads(json.dumps(predictions)) == predictions


def test_a_single_input_and_more_labels_than_there_are(run, finished):
    prediction, = predict(run, str(finished[0] / "dark/0.png"))
    assert [item["label"] for item in prediction["top"]] == ["dark", "light"]
    assert np.sum([item["score"] for item in prediction["top"]]) == pytest.approx(1)


def test_a_folder_with_a_broken_image(run, finished, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    *predictions, broken = predict(run, [tmp_path / "broken.png", finished[0] / "dark"])
    assert {item["label"] for item in predictions} == {"dark"} and len(predictions) == 12
    assert broken.keys() == {"input", "error"} and broken["input"].endswith("broken.png")


def test_nothing_but_broken_images(run, tmp_path):
    (tmp_path / "broken.png").touch()
    assert ["error" in item for item in predict(run, tmp_path / "broken.png")] == [True]


@pytest.mark.parametrize("inputs, top, error, message", [
    ("nowhere.png", 5, DataError, "nowhere.png"), ([], 5, UsageError, "at least one file"),
    ("runs", 0, UsageError, "--top 1")])
def test_mistakes_are_told_before_the_first_prediction(run, inputs, top, error, message):
    with pytest.raises(error, match=message):
        predict(run, inputs, top=top)


def test_an_unfinished_run(run, finished):
    run.update_manifest(status="failed")
    with pytest.raises(RunError, match="not finished"):
        predict(run, finished[0])
