import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpt.tuning.wording import NUMBER_WIDTH, score_name, score_text, short_names, value_text


def test_a_heading_is_the_last_part_unless_two_names_share_it():
    assert short_names(["optimizer.learning_rate", "freeze.unfreeze"]) == ["learning rate", "unfreeze"]
    assert short_names(["a.head.units", "b.head.units", "a.head.dropout", "units"]) == [
        "a.head.units", "b.head.units", "dropout", "units"]


@pytest.mark.parametrize(("value", "text"), [
    (3.14e-4, "3.1e-04"), (0.2, "0.20"), (0.0123, "0.012"), (1.0, "1"), (12.5, "12.5"), (1e5, "1.0e+05"), (0.0, "0"),
    (10, "10"), ("all", "all"), (None, "null"), (True, "true"), ([128, 64], "[128, 64]"), ((128,), "[128]")])
def test_values_are_written_as_recipes_do_but_compactly(value, text):
    assert value_text(value) == text


@given(st.floats(min_value=1e-99, max_value=1e99))
def test_a_float_is_never_wider_than_said_nor_far_off(value):
    assert len(value_text(value)) <= NUMBER_WIDTH and abs(float(value_text(value)) - value) <= 0.051 * value


def test_the_objective_and_its_score():
    assert score_name("accuracy") == "val acc" and score_name("macro_f1") == "val macro f1"
    assert score_text(0.9051) == "0.905" and score_text(123456.0) == "1.2e+05"
