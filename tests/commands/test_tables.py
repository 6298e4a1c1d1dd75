from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tfpt.commands.tables import aligned, printable


def test_columns_line_up_left_and_right():
    assert aligned([["class", "F1"], ["a", 1], ["猫", "0.25"]], right=(1,)) == [
        "class    F1", "a         1", "猫     0.25"]


def test_rows_may_be_shorter_and_none_is_nothing():
    assert aligned([["a"], ["bb", "c"]]) == ["a", "bb  c"] and aligned([]) == []


@given(st.lists(st.lists(st.text(max_size=6), min_size=2, max_size=2), min_size=1, max_size=5))
def test_the_last_column_flush_right_ends_every_line_at_one_width(rows):
    widths = {cell_len(line) for line in aligned([[*row, "|"] for row in rows], right=(2,))}
    assert len(widths) == 1


def test_control_characters_and_undecodable_bytes_are_escaped():
    assert printable("a\x1b[31mb\n\udcff猫") == "a\\x1b[31mb\\n\\udcff猫"
