from hypothesis import given, settings
from hypothesis import strategies as st

from tfpt.data.natural_sort import natural_key, natural_sort


def test_numbers_count_by_value():
    assert natural_sort(["10", "2", "1"]) == ["1", "2", "10"]
    assert natural_sort(["a10b2", "a9", "a10b1", "B1", "a"]) == ["a", "a9", "a10b1", "a10b2", "B1"]
    assert natural_sort(["x" + "9" * 5000, "x1"])[0] == "x1"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(min_value=0)), st.text(alphabet="abXY-_ ", max_size=4))
def test_one_prefix_orders_as_integers(numbers, prefix):
    assert natural_sort(f"{prefix}{n}" for n in numbers) == [f"{prefix}{n}" for n in sorted(numbers)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="aB019٣ .", max_size=6)))
def test_any_names_have_one_order(names):
    assert natural_sort(names) == natural_sort(reversed(names))
    assert natural_key("01") != natural_key("1")
