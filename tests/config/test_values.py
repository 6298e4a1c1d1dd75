import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from tfpt.config.fields import setting
from tfpt.config.values import Mismatch, convert, describe, show

FIELD = dataclasses.field()
RANGED = setting(1, "help", minimum=1, below=5)


def take(value, annotation, field=FIELD):
    return convert(value, annotation, field, lambda config_class, found, suffix: (config_class, found, suffix))


@pytest.mark.parametrize(("value", "annotation", "expected"), [
    (3, int, 3), (3, float, 3.0), (np.int64(3), int, 3), (np.float32(0.5), float, 0.5), (True, bool, True),
    ("a", str, "a"), ("caf\udce9", str, "caf\udce9"), (Path("a/b"), str, "a/b"),
    (None, int | None, None), (3, int | str | None, 3),
    ("3", int | str | None, "3"), ("x", Literal["x", "y"], "x"),
    ([1, 2], tuple[int, ...], (1, 2)), ([], tuple[int, ...], ()),
    ({"a": 1, 2: 3.5}, dict[str, float], {"a": 1.0, "2": 3.5}), ("x", Literal["x"] | dict[str, float], "x"),
])
def test_right_values_are_taken_with_the_right_type(value, annotation, expected):
    found = take(value, annotation)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(("value", "annotation", "expected"), [
    (True, int, "a whole number"), (True, float, "a number"), (1, bool, "true or false"), (1.0, int, "a whole number"),
    (np.bool_(True), int, "a whole number"), ("1", int, "a whole number"), (None, int, "a whole number"),
    (1, str, "text"),
    (float("nan"), float, "a number, finite"), (float("-inf"), float, "a number, finite"),
    ("z", Literal["x", "y"], "one of x, y"),
    (10**400, float, "a number that a 64-bit float can hold"), (10**400, int, "a number that a 64-bit float can hold"),
    ("a\0b", str, "text without NUL or half characters"), ("\ud800", str, "text without NUL or half characters"),
    ("x", int | None, "a whole number or null"),
    ("ab", tuple[str, ...], "a list, each item text"), ({True: 1}, dict[str, float], "keys that are text (quote them)"),
    (1, Literal["x"] | dict[str, float], "x or a mapping from text to a number"),
])
def test_wrong_values_say_what_was_expected(value, annotation, expected):
    with pytest.raises(Mismatch) as caught:
        take(value, annotation)
    assert caught.value.expected == expected


@pytest.mark.parametrize(("value", "suffix", "problem"), [([1, 0], "[1]", "at least 1"), ([5], "[0]", "below 5")])
def test_ranges_hold_for_each_item_of_a_list(value, suffix, problem):
    with pytest.raises(Mismatch) as caught:
        take(value, tuple[int, ...], RANGED)
    assert caught.value.suffix == suffix and problem in caught.value.expected


def test_a_type_that_no_field_may_have_is_an_error_of_ours():
    with pytest.raises(TypeError, match="not supported"):
        take({1}, set[int])


def test_descriptions_and_shown_values_read_as_words():
    assert describe(int | str | None) == "a whole number, text or null"
    assert [show(value) for value in (None, True, "x", 3, [1], {}, {"a": 1})] == [
        "null", "true", "the text 'x'", "3", "the list [1]", "an empty mapping", "a mapping (a)"]
    assert len(show("x" * 500)) < 80
