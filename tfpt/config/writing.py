"""Config dataclasses as plain values and YAML, and the differences between two of them."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from tfpt.config.yaml_text import write_yaml


def to_dict(config: Any) -> dict[str, Any]:
    """``config`` as nested dicts with tuples as lists: what ``from_dict`` takes, and JSON and YAML can hold."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def to_yaml(config: Any) -> str:
    """``config`` as a recipe; ``load_config`` of it gives an equal config."""
    return write_yaml(to_dict(config))


def config_difference(old: Any, new: Any) -> list[tuple[str, Any, Any]]:
    """The fields whose values differ, as (dotted name, old value, new value), in the order of the config."""
    before, after = leaf_settings(old), leaf_settings(new)
    return [(name, before.get(name), after.get(name)) for name in {**before, **after}
            if before.get(name) != after.get(name)]


def leaf_settings(config: Any) -> dict[str, Any]:
    """Every field by its dotted name, tuples as lists."""
    return dict(_leaves(config, ""))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _leaves(config: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", _plain(value)
