import pytest

from tfpt.evaluation import comparison_texts as texts

TEST = {"examples": 269, "first_accuracy": 0.981, "second_accuracy": 0.9, "only_first": 24, "only_second": 2,
        "difference": -0.081, "interval": (-0.119, 0.0), "p_value": 0.00001, "adjusted_p_value": 0.00002}


def test_what_a_test_shows():
    assert texts.verdict(TEST, "b", "a") == "b is worse than a (p < 0.0001, adjusted)"
    better = {**TEST, "difference": 0.081, "p_value": 0.01, "adjusted_p_value": 0.01}
    assert texts.verdict(better, "b", "a") == "b is better than a (p = 0.0100)"
    assert texts.verdict({**TEST, "adjusted_p_value": 0.05}, "b", "a") == (
        "no difference between b and a is shown (p = 0.0500, adjusted)")
    assert texts.accuracies_text(TEST, "a") == (
        "accuracy 0.900 against 0.981, −0.081 (−0.119 to 0.000) · it alone is right on 2, a alone on 24")
    assert texts.difference_text({**TEST, "interval": None}) == "−0.081"


def test_what_is_left_out_is_said_with_its_reason():
    assert texts.left_out_texts({"in_this_test_alone": 1200, "labelled_differently": 0,
                                 "of_the_first_test_that_this_run_was_trained_on": 3}, "b", "a") == [
        "3 of a's test: b was trained on them", "1,200 that are in b's test alone"]


@pytest.mark.parametrize("value, text", [(None, "null"), (True, "true"), ([128, 64], "[128, 64]"), (1e-05, "1e-05"),
                                         ("imagenet", "imagenet"), ({}, "{}"), ("鳥", "鳥")])
def test_settings_are_written_as_set_takes_them(value, text):
    assert texts.setting_text(value) == text


def test_paths_are_told_from_here_and_names_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert texts.setting_from_here(str(tmp_path / "photos")) == "photos"
    assert texts.setting_from_here(None) == "null" and texts.setting_from_here("imagenet") == "imagenet"
    assert texts.setting_text(str(tmp_path / "photos")) == str(tmp_path / "photos")
    assert texts.short_run_names(["runs/a-0001", "other/b"]) == ["a-0001", "b"]
    assert texts.short_run_names(["runs/a", "other/a"]) == ["runs/a", "other/a"]


def test_rows_of_scores():
    assert texts.score_rows([{"name": "roc_auc", "values": [0.9, 0.8], "intervals": [[0.85, 0.94], None]},
                             {"name": "exact_match", "values": [0.5, 0.25], "intervals": [None, None]}]) == [
        ["ROC-AUC", "0.900 (0.850–0.940)", "0.800"], ["exact match", "0.500", "0.250"]]


def test_rows_of_data():
    data = {"same": False, "paths": ["photos", "pictures"], "train": [1000, 7], "validation": [1, 2], "test": [3, 4],
            "fingerprints": ["a" * 64, "b" * 64], "classes_only_here": [["owl", "jay"], []]}
    rows = [["path", "PHOTOS", "PICTURES"], ["train examples", "1,000", "7"], ["validation examples", "1", "2"],
            ["test examples", "3", "4"], ["classes only here", "owl, jay", "–"], ["fingerprint", "a" * 12, "b" * 12]]
    assert texts.data_rows(data, str.upper) == rows
    assert texts.data_rows({**data, "classes_only_here": [[], []]}, str.upper) == rows[:4] + rows[5:]
    assert texts.data_rows({"same": True}, str.upper) == []
