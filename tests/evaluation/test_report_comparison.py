from tests.commands.test_comparison_tables import FOUND
from tests.evaluation.pages import Page
from tfpt.evaluation.report_comparison import comparison

NAMES = ["a-0001", "b-<i>0002"]


def test_scores_tests_and_settings_side_by_side():
    found = Page(comparison(FOUND, NAMES))
    assert found.all("strong") == [
        "On the 30 test examples of both, no difference between b-<i>0002 and a-0001 is shown (p = 0.3750)."]
    assert "0.900 (0.850–0.940)" in found.all("td") and "10" in found.all("td") and "i" not in found.tags
    assert found.all("li") == ["left out: 2 that are in b-<i>0002's test alone"]
    assert "Accuracy 0.800 against 0.900" in found.text and "The data are the same: photos/ · 2 classes." in found.text


def test_what_cannot_be_compared_and_data_that_differ():
    data = {"same": False, "paths": ["photos", "pictures"], "train": [1000, 7], "validation": [1, 2], "test": [3, 4],
            "fingerprints": ["a" * 64, "b" * 64], "classes_only_here": [["<owl>"], []]}
    test = {"run": "b", "against": "a", "why": "x is missing", "left_out": {}}
    found = Page(comparison({**FOUND, "settings": [], "data": data, "tests": [test]}, NAMES))
    assert "not compared by example: x is missing." in found.text and "The settings are the same." in found.text
    assert "<owl>" in found.all("td") and "a" * 12 in found.all("td") and "a" * 13 not in found.text
