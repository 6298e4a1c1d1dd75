from tfpt.commands.evaluation_tables import MATRIX_CLASSES, report_lines


def report(classes):
    names = [f"class {number}" for number in range(classes)]
    scores = {"precision": 0.5, "recall": 1.0, "f1": 2 / 3}
    return {"examples": 1234, "flip": False, "accuracy": 0.75, "loss": 0.5, "roc_auc": None, "class_names": names,
            "brier_score": 0.3, "expected_calibration_error": 0.06,
            "intervals": {"accuracy": [0.7, 0.8], "loss": [0.4, 0.6], "brier_score": None},
            "interval_method": "95 %: …",
            "notes": ["No examples of x."],
            **{f"{kind}_{name}": value for kind in ("macro", "weighted") for name, value in scores.items()},
            "where": "runs/a-0001/evaluation/test.json", "pictures": ["roc.png", "worst.png"],
            "per_class": [{"class": name, **scores, "support": 617} for name in names],
            "confusion_matrix": [[7 if row == column else 0 for column in range(classes)] for row in range(classes)]}


def test_scores_classes_averages_and_matrix_are_aligned():
    assert report_lines(report(2)) == [
        "1,234 examples",
        "",
        "accuracy                    0.750  (0.700–0.800)",
        "macro F1                    0.667",
        "log loss                    0.500  (0.400–0.600)",
        "Brier score                 0.300",
        "expected calibration error  0.060",
        "intervals of 95 %: …",
        "",
        "class             precision  recall     F1  examples",
        "class 0               0.500   1.000  0.667       617",
        "class 1               0.500   1.000  0.667       617",
        "macro average         0.500   1.000  0.667",
        "weighted average      0.500   1.000  0.667",
        "",
        "confusion matrix: a row per true class, a column per predicted class",
        "            A  B",
        "A  class 0  7  ·",
        "B  class 1  ·  7",
        "",
        "No examples of x.",
        "written to runs/a-0001/evaluation/test.json",
        "pictures beside it: roc, worst",
    ]


def test_an_average_over_mirror_images_says_so():
    first, *_ = report_lines({**report(2), "flip": True, "pictures": []})
    assert first == "1,234 examples · mean of the answers to each and to its mirror image"


def test_short_class_names_head_the_columns():
    lines = report_lines({**report(2), "class_names": ["8", "10"]})
    start = lines.index("confusion matrix: a row per true class, a column per predicted class") + 1
    assert lines[start:start + 3] == ["    8  10", "8   7   ·", "10  ·   7"]


def test_a_matrix_of_many_classes_is_left_out():
    assert any("confusion" in line for line in report_lines(report(MATRIX_CLASSES)))
    assert not any("confusion" in line for line in report_lines(report(MATRIX_CLASSES + 1)))
