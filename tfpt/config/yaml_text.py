"""YAML as recipes and ``--set`` use it: safe, strict, and without YAML 1.1's surprises.

Only plain scalars of YAML 1.2's core schema have a meaning: ``no`` and ``2024-01-01`` are text, ``1e-3`` is a number.
"""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from tfpt.errors import ConfigError

MAXIMUM_CHARACTERS = 1_000_000

_SCALARS: tuple[tuple[str, str, str], ...] = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", "~nN\0"),
    ("tag:yaml.org,2002:int", r"[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    ("tag:yaml.org,2002:float",
     r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
     r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+.0123456789"),
)


@dataclass(frozen=True)
class Document:
    """A YAML text as plain values, with the line (counted from 1) on which each dotted name stands."""

    values: Any
    lines: dict[str, int]


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        # Aliases let a few hundred bytes stand for gigabytes, and no recipe needs them.
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            identity = (key.tag, str(key.value))
            if identity in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice in one mapping",
                                           problem_mark=key.start_mark)
            seen.add(identity)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    # Its own resolvers stay, so that text such as "no" is quoted for other YAML readers too.
    yaml_implicit_resolvers = {first: list(found) for first, found in yaml.SafeDumper.yaml_implicit_resolvers.items()}

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML writes these line breaks raw unless it is told to quote, and reads them as spaces.
    style = '"' if any(mark in text for mark in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
for _tag, _pattern, _first in _SCALARS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(
            _tag, re.compile(rf"^(?:{_pattern})$"), ["" if first == "\0" else first for first in _first])


def read_yaml(text: str, where: str) -> Document:
    """Reads one YAML document.

    Raises:
        ConfigError: a syntax error, a duplicate key, an alias, a tag, more than one document, too long or too deep.
    """
    if len(text) > MAXIMUM_CHARACTERS:
        raise ConfigError(f"{where} holds {len(text):,} characters, which is no recipe: at most "
                          f"{MAXIMUM_CHARACTERS:,} are read. Give the path of a YAML file such as `tfpt` writes.")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(None, {})
        lines: dict[str, int] = {}
        _note_lines(node, "", lines)
        return Document(loader.construct_document(node), lines)
    except yaml.YAMLError as error:
        raise ConfigError(_syntax_message(error, where)) from error
    except RecursionError:
        raise ConfigError(f"{where} is nested too deeply to be a recipe. Write at most a few levels.") from None
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ConfigError(f"{where} holds a value that YAML can't read: {error}. Quote it if it is text.") from error


def write_yaml(values: Any) -> str:
    """``values`` (dicts, lists, scalars) as YAML in their own order; ``read_yaml`` gives the same values back."""
    return str(yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


def _note_lines(node: Any, prefix: str, lines: dict[str, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f"{prefix}.{key.value}" if prefix else str(key.value)
            lines[name] = key.start_mark.line + 1
            _note_lines(value, name, lines)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            lines[f"{prefix}[{position}]"] = value.start_mark.line + 1
            _note_lines(value, f"{prefix}[{position}]", lines)


def _syntax_message(error: yaml.YAMLError, where: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    place = f"{where}, line {mark.line + 1}, column {mark.column + 1}" if mark else where
    return f"Expected YAML, but {' '.join(str(problem).split())} ({place}). Mend that line; indent with spaces."
