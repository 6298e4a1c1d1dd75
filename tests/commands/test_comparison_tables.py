from tfpt.commands.comparison_tables import comparison_lines

TEST = {"run": "runs/b-0002", "against": "runs/a-0001", "examples": 30, "first_accuracy": 0.9, "second_accuracy": 0.8,
        "only_first": 4, "only_second": 1, "difference": -0.1, "interval": [-0.2, 0.01], "p_value": 0.375,
        "adjusted_p_value": 0.375, "left_out": {"in_this_test_alone": 2}}
FOUND = {
    "task": "image_classification", "runs": ["runs/a-0001", "runs/b-0002"], "surroundings": [],
    "settings": [{"name": "freeze.unfreeze", "values": [10, 0]}],
    "data": {"same": True, "summaries": ["photos/ · 2 classes"] * 2},
    "scores": [{"name": "accuracy", "values": [0.9, 0.8], "intervals": [[0.85, 0.94], None]},
               {"name": "exact_match", "values": [0.5, 0.25], "intervals": [None, None]}],
    "tests": [TEST], "method": "McNemar"}


def test_a_column_for_each_run_then_what_the_test_shows():
    assert comparison_lines(FOUND) == [
        "                      a-0001               b-0002",
        "settings that differ",
        "  freeze.unfreeze     10                   0",
        "own test",
        "  accuracy            0.900 (0.850–0.940)  0.800",
        "  exact match         0.500                0.250",
        "",
        "The data are the same: photos/ · 2 classes.",
        "",
        "On the 30 test examples of both, no difference between b-0002 and a-0001 is shown (p = 0.3750):",
        "  accuracy 0.800 against 0.900, −0.100 (−0.200 to +0.010) · it alone is right on 1, a-0001 alone on 4",
        "  left out: 2 that are in b-0002's test alone",
        "",
        "(McNemar.)",
    ]


def test_data_that_differ_and_a_test_that_cannot_be_made():
    data = {"same": False, "paths": ["photos", "pictures"], "train": [1000, 7], "validation": [1, 2], "test": [3, 4],
            "fingerprints": ["a" * 64, "b" * 64], "classes_only_here": [["owl"], []]}
    test = {"run": "runs/b-0002", "against": "runs/a-0001", "why": "x is missing", "left_out": {}}
    lines = comparison_lines({**FOUND, "settings": [], "data": data, "tests": [test]})
    assert lines[:7] == [
        "                       a-0001               b-0002", "data",
        "  path                 photos               pictures",
        "  train examples       1,000                7", "  validation examples  1                    2",
        "  test examples        3                    4", "  classes only here    owl                  –"]
    assert "The settings are the same." in lines
    assert "b-0002 and a-0001 are not compared by example: x is missing." in lines
