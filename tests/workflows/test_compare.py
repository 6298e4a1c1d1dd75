import json

import pytest

from tests.workflows.finished_runs import write_run
from tests.workflows.told_runs import write_told_run
from tfpt.errors import RunError, UsageError
from tfpt.workflows.compare import NOT_SET, compare
from tfpt.workflows.evaluate import evaluate

GOOD, BAD = [True] * 36 + [False] * 4, [True] * 20 + [False] * 20


@pytest.fixture
def pair(tmp_path):
    """A good run and a bad one on the same test, with other settings."""
    return [write_told_run(tmp_path / "good", GOOD, trained_on=range(100, 150)),
            write_told_run(tmp_path / "bad", BAD, trained_on=range(100, 150), environment={"devices": ["GPU:0"]},
                           settings={"freeze": {"unfreeze": 0}, "loss": {"class_weights": {"cat": 2.0}}})]


def test_what_differs_is_named_and_nothing_else(pair):
    found = compare(pair)
    assert json.loads(json.dumps(found)) == found
    assert found["runs"] == [str(run.path) for run in pair] and found["task"] == "image_classification"
    assert found["settings"] == [{"name": "freeze.unfreeze", "values": [None, 0]},
                                 {"name": "loss.class_weights", "values": ["none", NOT_SET]},
                                 {"name": "loss.class_weights.cat", "values": [NOT_SET, 2.0]}]
    assert found["surroundings"] == [{"name": "environment.devices", "values": [["CPU:0"], ["GPU:0"]]}]
    assert found["data"]["same"] and found["data"]["test"] == [40, 40]
    accuracy = found["scores"][0]
    assert accuracy["name"] == "accuracy" and accuracy["values"] == [0.9, 0.5]
    assert accuracy["intervals"][0][0] < 0.9 < accuracy["intervals"][0][1]


def test_the_same_examples_decide(pair):
    test, = compare(pair)["tests"]
    assert (test["run"], test["against"]) == (str(pair[1].path), str(pair[0].path))
    assert (test["examples"], test["only_first"], test["only_second"]) == (40, 16, 0)
    assert test["p_value"] == test["adjusted_p_value"] == pytest.approx(2 / 2 ** 16)
    assert set(test["left_out"].values()) == {0}


def test_several_are_compared_with_the_first_and_adjusted(pair, tmp_path):
    third = write_told_run(tmp_path / "third", [True] * 31 + [False] * 9)
    found = compare([*pair, third])
    first, second = found["tests"]
    assert first["adjusted_p_value"] == 2 * first["p_value"]
    assert second["adjusted_p_value"] == second["p_value"] == pytest.approx(2 / 2 ** 5)
    assert "adjusted for 2 comparisons (Holm 1979)" in found["method"] and "Holm" not in compare(pair)["method"]


def test_a_leak_is_counted_and_left_out(pair, tmp_path):
    other = write_told_run(tmp_path / "other", [True] * 40, examples=range(20, 60), trained_on=range(0, 15),
                           labels=[number % 2 for number in range(20, 60)], fingerprint="0" * 64)
    found = compare([pair[0], other])
    test, = found["tests"]
    assert test["examples"] == 20 and not found["data"]["same"]
    assert test["left_out"] == {
        "of_this_test_that_the_first_run_was_trained_on": 0, "of_the_first_test_that_this_run_was_trained_on": 15,
        "in_this_test_alone": 20, "in_the_first_test_alone": 5, "labelled_differently": 0}


def test_tests_without_a_common_example_and_other_classes_are_told(pair, tmp_path):
    other = write_told_run(tmp_path / "other", GOOD, examples=range(500, 540), class_names=["cat", "dog", "owl"])
    found = compare([pair[0], other])
    assert found["tests"][0]["why"] == "the two tests have no example in common"
    assert found["data"]["classes_only_here"] == [[], ["owl"]]


def test_missing_predictions_are_told_and_the_rest_is_compared(pair):
    pair[1].predictions_file.unlink()
    found = compare(pair)
    assert "bad/evaluation/test_predictions.npz is missing: `tfpt evaluate" in found["tests"][0]["why"]
    assert found["settings"] and found["scores"] and "p_value" not in found["tests"][0]


def test_predictions_of_another_model_are_told(pair, tmp_path):
    other = write_told_run(tmp_path / "other", GOOD, class_names=["cat", "dog", "owl"])
    other.predictions_file.replace(pair[1].predictions_file)
    assert "is of 3 classes, the run of 2" in compare(pair)["tests"][0]["why"]


def test_without_test_json_the_headline_is_compared(pair):
    (pair[0].evaluation / "test.json").unlink()
    scores = {row["name"]: row for row in compare(pair)["scores"]}
    assert set(scores) == {"loss", "accuracy", "macro_f1", "roc_auc"} and scores["accuracy"]["intervals"][0] is None


def test_real_runs_whose_splits_differ(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [write_run(tmp_path / "runs" / f"seed-{seed}", finished[0], seed) for seed in (3, 4)]
    for run in runs:
        evaluate(run)
    test, = compare([run.name for run in runs])["tests"]
    left_out = test["left_out"]
    examples = runs[0].manifest()["data"]["test"]
    assert left_out["of_the_first_test_that_this_run_was_trained_on"] > 0
    assert sum(left_out[name] for name in left_out if "first_test" in name) + test.get("examples", 0) == examples


@pytest.mark.parametrize("names, error, words", [
    (["good"], UsageError, "two runs or more to compare, but found 1"), ([], UsageError, "found 0"),
    (["good", "bad", "./good"], UsageError, "named twice"), (["good", "god"], RunError, "is no folder here")])
def test_what_cannot_be_compared(pair, tmp_path, monkeypatch, names, error, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words) as caught:
        compare(names)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)


@pytest.mark.parametrize("changes, words", [
    ({"status": "interrupted"}, "not finished.*--resume"), ({"task": "text_classification"}, "runs of one task"),
    ({"data": {"train": "many"}}, "to hold data"), ({"metadata": 7}, "to hold metadata")])
def test_runs_that_will_not_do(pair, changes, words):
    pair[1].update_manifest(**changes)
    with pytest.raises(UsageError, match=words):
        compare(pair)


@pytest.mark.parametrize("file, content, words", [
    ("config.yaml", "- 1\n", "no sections"), ("config.yaml", "", "is empty"), ("run.json", "[]", "JSON object"),
    ("evaluation/test.json", "[]", "JSON object"), ("evaluation/test_predictions.npz", "x", "test predictions")])
def test_damaged_files_are_named(pair, file, content, words):
    (pair[1].path / file).write_text(content)
    with pytest.raises(UsageError, match=words):
        compare(pair)


def test_scores_of_a_strange_kind_are_passed_over(pair):
    (pair[1].evaluation / "test.json").write_text(json.dumps({"brier_score": "low", "intervals": {"accuracy": 7}}))
    pair[1].update_manifest(metrics={"test": {"accuracy": 0.5, "weakest_class": {"name": "cat"}}})
    found = compare(pair)
    assert [(row["name"], row["intervals"][1]) for row in found["scores"]] == [("accuracy", None)]
