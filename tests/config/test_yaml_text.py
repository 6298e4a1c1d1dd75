import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpt.config.yaml_text import MAXIMUM_CHARACTERS, read_yaml, write_yaml
from tfpt.errors import ConfigError

SCALARS = (st.none() | st.booleans() | st.integers(-10**12, 10**12)
           | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
           | st.sampled_from(["a\x85b", "a\u2028", "no", "1e-3", "0o7", "012", "12:30", "2024-01-01", "null", "~",
                              "true", "<<", "*a", "", "="]))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3)
                      | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=10)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_what_is_written_is_read_back_with_its_types(values):
    found = read_yaml(write_yaml(values), "here").values
    assert repr(found) == repr(values)


@pytest.mark.parametrize(("text", "value"), [
    ("1e-3", 0.001), ("1E5", 1e5), ("-2.5e+3", -2500.0), (".5", 0.5), ("3.", 3.0),
    ("12", 12), ("-0", 0), ("1_000", 1000),
    ("0x1F", 31), ("012", "012"), ("12:30", "12:30"), ("2024-01-01", "2024-01-01"), ("no", "no"), ("on", "on"),
    ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("none", "none"),
    ("'1'", "1"), ("1e", "1e"),
])
def test_plain_scalars_follow_yaml_1_2(text, value):
    found = read_yaml(text, "here").values
    assert found == value and type(found) is type(value)


def test_lines_are_noted_by_dotted_name():
    lines = read_yaml("a:\n  b: 1\n  c:\n    - x: 2\n    - 3\n", "here").lines
    assert lines == {"a": 1, "a.b": 2, "a.c": 3, "a.c[0]": 4, "a.c[0].x": 4, "a.c[1]": 5}


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(("text", "expected"), [
    ("a: 1\nb: 2\na: 3\n", "line 3"),
    ("a: {b: 1, b: 2}", "'b' stands twice"),
    ("a:\n\tb: 1\n", "line 2"),
    ("a: [1, 2\nb: 3\n", "Expected YAML"),
    (BOMB, "aliases"),
    ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
    ("a: !!float abc", "Quote it"),
    ("a: !!int ''", "can't read"),
    ("a: !!bool maybe", "can't read"),
    ("[a]: 1", "unhashable"),
    ("a: 1\n---\nb: 2\n", "another document"),
    ("a: \x00", "Expected YAML"),
    ("[" * 1200 + "]" * 1200, "nested too deeply"),
    ("#" * (MAXIMUM_CHARACTERS + 1), "no recipe"),
    ("a: 1" + "0" * 5000, "can't read"),
])
def test_bad_yaml_is_one_paragraph_that_names_the_place(text, expected):
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "mine.yaml")
    message = str(caught.value)
    assert expected in message and "mine.yaml" in message and "\n" not in message
