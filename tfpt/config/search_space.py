"""What a search varies: config fields, each with a list of values or a range, checked as a recipe's values are."""

import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tfpt.config.loading import field_names, unknown_name, with_values
from tfpt.config.values import describe, show
from tfpt.config.writing import leaf_settings
from tfpt.errors import ConfigError

Sampling = Literal["linear", "log"]
RANGE_KEYS = ("min", "max", "step", "sampling")
_EXAMPLE = "Write such as {min: 1, max: 8}; step: 2 and sampling: log may follow"


@dataclass(frozen=True)
class Dimension:
    """One config field of a search, by its dotted ``name``: a choice of ``values``, or a range ``low`` to ``high``.

    ``values`` stand in the order written, as JSON holds them (lists, not tuples). A range is closed; ``step`` is the
    distance between neighbours, or their ratio with ``sampling`` log; ``whole`` means whole numbers alone.
    """

    name: str
    values: tuple[Any, ...] = ()
    low: float | int | None = None
    high: float | int | None = None
    step: float | int | None = None
    sampling: Sampling = "linear"
    whole: bool = False


def read_space(config: Any, mapping: Mapping[str, Any], where: str) -> tuple[Dimension, ...]:
    """The search space that ``mapping``, a recipe's ``search`` section, describes.

    Args:
        config: the config that the search starts from; its class says which fields there are and what they take.
        mapping: field names, dotted or nested, to a list of values or ``{min, max, step, sampling}``.
        where: what errors call its origin.

    Raises:
        ConfigError: nothing to search, an unknown field, a section, a value that its field doesn't take, or a range
            that is none.
    """
    if not mapping:
        raise ConfigError(f"Expected fields to search, but found none ({where}). Write such as search: "
                          f"{{optimizer.learning_rate: {{min: 1e-5, max: 1e-2, sampling: log}}}}.")
    space: dict[str, Dimension] = {}
    for name, entry in _entries(type(config), mapping, where, ""):
        if name in space:
            raise ConfigError(f"{name} stands twice, dotted and nested ({where}). Keep one of the two.")
        space[name] = _dimension(config, name, entry, where)
    return tuple(space.values())


def space_lines(space: Sequence[Dimension]) -> list[str]:
    """A short line for each dimension, such as ``freeze.unfreeze 0, 5, 10``."""
    return [f"{dimension.name} {_describe_dimension(dimension)}" for dimension in space]


def space_record(space: Sequence[Dimension]) -> dict[str, Any]:
    """``space`` as JSON and YAML can hold it; ``read_space`` of it gives an equal space."""
    return {dimension.name: _plain_dimension(dimension) for dimension in space}


def _entries(config_class: type, mapping: Mapping[str, Any], where: str, prefix: str) -> Iterator[tuple[str, Any]]:
    """Every field of ``mapping`` with what is written for it; sections are looked into."""
    known = list(field_names(config_class))
    for key, entry in mapping.items():
        name = f"{prefix}{key}"
        within = [field for field in known if field.startswith(f"{name}.")]
        if name in known:
            yield name, entry
        elif not within:
            raise ConfigError(unknown_name(config_class, name, where))
        elif isinstance(entry, Mapping) and entry:
            yield from _entries(config_class, entry, where, f"{name}.")
        else:
            raise ConfigError(f"{name} is a section, and a search takes single fields, but found {show(entry)} "
                              f"({where}). Name one of its fields: {', '.join(within)}.")


def _dimension(config: Any, name: str, entry: Any, where: str) -> Dimension:
    if isinstance(entry, Mapping):
        return _range(config, name, entry, where)
    if isinstance(entry, (list, tuple)):
        return _choice(config, name, entry, where)
    raise ConfigError(f"A search takes a list of values or a range for {name}, but found {show(entry)} ({where}). "
                      f"Write a list such as [a, b], or a range {{min: …, max: …}}; a single value belongs outside "
                      f"the search section.")


def _choice(config: Any, name: str, entry: Sequence[Any], where: str) -> Dimension:
    values: list[Any] = []
    for written in entry:
        value = _checked(config, name, written, where)
        if any(type(value) is type(other) and value == other for other in values):
            raise ConfigError(f"The list for {name} holds {show(value)} twice ({where}). Take one of them out.")
        values.append(value)
    if not values:
        raise ConfigError(f"A search takes a list of values or a range for {name}, but found an empty list ({where}). "
                          f"List the values to try, or take {name} out of the search.")
    return Dimension(name, values=tuple(values))


def _range(config: Any, name: str, entry: Mapping[str, Any], where: str) -> Dimension:
    annotation = _annotation(type(config), name)
    kinds = get_args(annotation) or (annotation,)
    whole = int in kinds and float not in kinds
    if int not in kinds and float not in kinds:
        raise ConfigError(f"{name} takes {describe(annotation)}, so a search can't give it a range ({where}). "
                          f"Write a list of values.")
    unknown = [str(key) for key in entry if key not in RANGE_KEYS]
    if unknown or "min" not in entry or "max" not in entry:
        found = f"{', '.join(unknown)} isn't among them" if unknown else "min or max is missing"
        raise ConfigError(f"A range takes {', '.join(RANGE_KEYS)}, the first two always, but for {name} {found} "
                          f"({where}). {_EXAMPLE}.")
    low, high = (_bound(config, name, key, entry[key], where) for key in ("min", "max"))
    if not low < high:
        raise ConfigError(f"The range of {name} takes a min below its max, but found min {_text(low)} and max "
                          f"{_text(high)} ({where}). Exchange them, or write a list for a single value.")
    sampling = _sampling(name, entry.get("sampling", "linear"), low, where)
    step = entry.get("step")
    if step is not None:
        _check_step(name, step, whole, high / low if sampling == "log" else high - low, sampling, where)
    return Dimension(name, low=low, high=high, step=step, sampling=sampling, whole=whole)


def _bound(config: Any, name: str, key: str, written: Any, where: str) -> float | int:
    if isinstance(written, bool) or not isinstance(written, (int, float)):
        raise ConfigError(f"{key} in the range of {name} takes a number, but found {show(written)} ({where}). "
                          f"{_EXAMPLE}; a list of values holds what isn't a number.")
    value: float | int = _checked(config, name, written, where)
    return value


def _sampling(name: str, found: Any, low: float, where: str) -> Sampling:
    if found not in get_args(Sampling):
        raise ConfigError(f"sampling in the range of {name} takes linear or log, but found {show(found)} ({where}). "
                          f"log gives each power of ten the same share, which suits learning rates.")
    if found == "log" and low <= 0:
        raise ConfigError(f"The range of {name} takes a min above 0 with sampling: log, but found {_text(low)} "
                          f"({where}). Raise min, or leave sampling out.")
    return typing.cast(Sampling, found)


def _check_step(name: str, step: Any, whole: bool, width: float, sampling: Sampling, where: str) -> None:
    """``width`` is the largest step with which the range holds two values."""
    kinds, kind = ((int,), "a whole number") if whole else ((int, float), "a number")
    least = 1 if sampling == "log" else 0
    # 0.9 - 0.8 is a little less than 0.1 in floats.
    if isinstance(step, bool) or not isinstance(step, kinds) or not least < step <= width * (1 + 1e-9):
        meaning = "what each value is multiplied by" if sampling == "log" else "the distance between values"
        raise ConfigError(f"step in the range of {name} takes {kind} above {least} and at most {width:g}, but found "
                          f"{show(step)} ({where}). It is {meaning}.")


def _checked(config: Any, name: str, value: Any, where: str) -> Any:
    """``value`` as the field ``name`` holds it, in JSON's terms."""
    return leaf_settings(with_values(config, {name: value}, where))[name]


def _annotation(config_class: Any, name: str) -> Any:
    for part in name.split("."):
        config_class = typing.get_type_hints(config_class)[part]
    return config_class


def _describe_dimension(dimension: Dimension) -> str:
    if dimension.values:
        return ", ".join(map(_text, dimension.values))
    text = f"{_text(dimension.low)}…{_text(dimension.high)}"
    if dimension.sampling == "log":
        return f"{text} (log{'' if dimension.step is None else f', each {_text(dimension.step)} times the last'})"
    return text if dimension.step is None else f"{text} in steps of {_text(dimension.step)}"


def _plain_dimension(dimension: Dimension) -> Any:
    if dimension.values:
        return list(dimension.values)
    plain = dict(zip(RANGE_KEYS, (dimension.low, dimension.high, dimension.step, dimension.sampling)))
    return {key: value for key, value in plain.items() if value not in (None, "linear")}


def _text(value: Any) -> str:
    """A value as a recipe writes it, without quotes or a needless ``.0``."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e6:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)
