import pytest

from tfpt.evaluation.score_texts import interval_text, score_text


@pytest.mark.parametrize("value, text", [(0.912345, "0.912"), (1.0, "1.000"), (0.99951, "0.9995"), (0.999999, "0.9999"),
                                         (0.9994, "0.999"), (1.2345, "1.234"), (0.0, "0.000")])
def test_what_is_not_quite_one_is_not_rounded_to_it(value, text):
    assert score_text(value) == text


def test_intervals():
    assert interval_text([0.88, 0.99996]) == "(0.880–0.9999)" and interval_text(None) == ""
