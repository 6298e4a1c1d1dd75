import dataclasses

import pytest

from tfpt.config.fields import range_problem, setting


@pytest.mark.parametrize(("bounds", "inside", "outside", "words"), [
    ({"minimum": 1}, 1, 0.99, "at least 1"), ({"maximum": 2}, 2, 2.01, "at most 2"),
    ({"above": 0}, 1e-300, 0, "above 0"), ({"below": 1}, 0.999, 1, "below 1"),
])
def test_bounds_are_inclusive_or_exclusive_as_named(bounds, inside, outside, words):
    field = setting(1, "help", **bounds)
    assert range_problem(field, inside) is None
    assert range_problem(field, outside) == words


def test_a_field_carries_help_and_only_its_own_bounds():
    field = setting(3, "how many", minimum=1)
    assert dict(field.metadata) == {"help": "how many", "minimum": 1} and field.default == 3
    assert isinstance(field, dataclasses.Field)


def test_a_shared_mutable_default_is_refused():
    with pytest.raises(TypeError, match="tuple"):
        setting([1], "help")
