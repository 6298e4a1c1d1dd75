"""Checks one value against a config field's annotation, and says in plain words what was expected and found."""

import dataclasses
import math
import os
import re
import types
import typing
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, Literal, Union

from tfpt.config.fields import range_problem


class Mismatch(Exception):
    """A value is not what its field takes. ``name`` is the dotted name below the field, such as ``[2]``."""

    def __init__(self, expected: str, found: Any, suffix: str = ""):
        super().__init__(expected)
        self.expected, self.found, self.suffix = expected, found, suffix


LONE_SURROGATE = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")
"""Half a character that stands for no byte of a file's name either."""

Nested = Callable[[type, Any, str], Any]
Field = dataclasses.Field[Any]


def convert(value: Any, annotation: Any, field: Field, nested: Nested, suffix: str = "") -> Any:
    """``value`` as ``annotation`` says, ranges of ``field`` included: lists become tuples, whole numbers floats.

    ``nested(config_class, value, suffix)`` fills a dataclass that stands within a tuple or a union.

    Raises:
        Mismatch: wrong type, not one of the choices, not finite, or out of range.
    """
    for member in _members(annotation):
        if _fits(value, member):
            return _convert_member(value, member, field, nested, suffix)
    raise Mismatch(describe(annotation), value, suffix)


def describe(annotation: Any) -> str:
    """What a field takes, in plain words: ``int | None`` is "a whole number or null"."""
    words = [_describe_member(member) for member in _members(annotation)]
    return " or ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} or {words[-1]}"


def show(value: Any) -> str:
    """A found value as a recipe would write it, shortened."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f"the text {_shorten(repr(value))}"
    if isinstance(value, Mapping):
        return f"a mapping ({_shorten(', '.join(map(str, value)))})" if value else "an empty mapping"
    if isinstance(value, (list, tuple)):
        return f"the list {_shorten(repr(list(value)))}"
    return _shorten(repr(value) if isinstance(value, (int, float)) else f"{value!r} ({type(value).__name__})")


def _shorten(text: str, width: int = 60) -> str:
    return text if len(text) <= width else text[:width - 1] + "…"


def _members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _fits(value: Any, member: Any) -> bool:
    """Whether ``value`` is of ``member``'s kind; its content is looked at later."""
    origin = typing.get_origin(member)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in typing.get_args(member))
    if member is type(None):
        return value is None
    if member is bool:
        return isinstance(value, bool)
    if member is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if member is float:
        return isinstance(value, Real) and not isinstance(value, bool)
    if member is str:
        return isinstance(value, (str, os.PathLike))
    if origin is tuple:
        return isinstance(value, (list, tuple))
    if origin is dict:
        return isinstance(value, Mapping)
    if dataclasses.is_dataclass(member):
        return isinstance(value, (Mapping, typing.cast(type, member)))
    raise TypeError(f"config fields of type {member} are not supported; add the type to config/values.py")


def _convert_member(value: Any, member: Any, field: Field, nested: Nested, suffix: str) -> Any:
    origin = typing.get_origin(member)
    if member is int or member is float:
        return _number(value, member, field, suffix)
    if member is str:
        return _text(os.fspath(value), suffix)
    if origin is tuple:
        element = typing.get_args(member)[0]
        return tuple(convert(item, element, field, nested, f"{suffix}[{position}]")
                     for position, item in enumerate(value))
    if origin is dict:
        element = typing.get_args(member)[1]
        return {_key(key, suffix): convert(item, element, field, nested, f"{suffix}.{key}")
                for key, item in value.items()}
    if dataclasses.is_dataclass(member):
        return nested(typing.cast(type, member), value, suffix)
    return value


def _text(text: str, suffix: str) -> str:
    if not text:
        raise Mismatch("text that isn't empty", text, suffix)
    # No file can have such a name. Surrogates that stand for a byte of one are what Python gives for its name.
    if "\0" in text or LONE_SURROGATE.search(text):
        raise Mismatch("text without NUL or half characters", text, suffix)
    return text


def _number(value: Any, kind: Any, field: Field, suffix: str) -> int | float:
    try:
        number: int | float = kind(value)
        is_finite = math.isfinite(number)
    except OverflowError:
        raise Mismatch("a number that a 64-bit float can hold", value, suffix) from None
    if not is_finite:
        raise Mismatch(f"{describe(kind)}, finite", value, suffix)
    problem = range_problem(field, number)
    if problem:
        raise Mismatch(f"{describe(kind)}, {problem}", value, suffix)
    return number


def _key(key: Any, suffix: str) -> str:
    # A class may be called 3, which YAML reads as a number; its text is unambiguous.
    if isinstance(key, str) or type(key) is int:
        return str(key)
    raise Mismatch("keys that are text (quote them)", key, suffix)


def _describe_member(member: Any) -> str:
    origin, arguments = typing.get_origin(member), typing.get_args(member)
    plain = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    if origin is Literal:
        return arguments[0] if len(arguments) == 1 else "one of " + ", ".join(map(str, arguments))
    if origin is tuple:
        return f"a list, each item {describe(arguments[0])}"
    if origin is dict:
        return f"a mapping from {describe(arguments[0])} to {describe(arguments[1])}"
    if dataclasses.is_dataclass(member):
        return "a mapping with keys among " + ", ".join(field.name for field in dataclasses.fields(member))
    return plain[member]
