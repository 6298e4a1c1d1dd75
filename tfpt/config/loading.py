"""Fills a config dataclass from a recipe, named flags and ``--set``, strictly.

Precedence: dataclass default < recipe < settings (named flags) < assignments (``--set a.b=value``).
"""

import dataclasses
import difflib
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tfpt.config.recipes import find_recipe
from tfpt.config.values import Mismatch, convert, show
from tfpt.config.yaml_text import MAXIMUM_CHARACTERS, Document, read_yaml
from tfpt.errors import ConfigError

T = TypeVar("T")
Where = Callable[[str], str]

SEARCH = "search"
"""The section of a recipe beside the config's own, which `tfpt tune` reads."""


def load_config(config_class: type[T], *, recipe: str | Path | None = None, settings: Mapping[str, Any] = {},
                assignments: Sequence[str] = (), base: T | None = None, with_search: bool = False) -> T:
    """The config that a command works with.

    Args:
        config_class: a frozen dataclass whose fields come from ``tfpt.config.fields.setting``.
        recipe: a YAML file, or a shipped recipe's name such as ``image_classification/demo``.
        settings: dotted names to Python values; a value of None means "not given".
        assignments: ``name=value`` texts, the value in YAML.
        base: what to start from in place of the defaults, such as the config of the run that is resumed.
        with_search: whether the recipe may have a ``search`` section; it is left out here (see ``recipe_search``).

    Raises:
        ConfigError: unknown key, wrong type, out of range, not YAML, no such recipe, a search section.
    """
    config = config_class() if base is None else base
    if recipe is not None:
        config = _apply_recipe(config, find_recipe(recipe), with_search)
    for name, value in settings.items():
        if value is not None:
            config = _fill(config, _nest(name, value), lambda _: "a named flag or argument")
    for assignment in assignments:
        config = _apply_assignment(config, assignment)
    return config


def from_dict(config_class: type[T], mapping: Mapping[str, Any], where: str) -> T:
    """``mapping`` (nested, as ``to_dict`` gives it) over the defaults; ``where`` names its origin in errors."""
    return _fill(config_class(), mapping, lambda _: where)


def with_values(config: T, values: Mapping[str, Any], where: str) -> T:
    """``config`` with ``values`` (by dotted names) in place of its own, a null too; ConfigError as for a recipe's."""
    for name, value in values.items():
        config = _fill(config, _nest(name, value), lambda _: where)
    return config


def recipe_search(recipe: str | Path | None) -> Mapping[str, Any] | None:
    """The ``search`` section of a recipe (a YAML file or a shipped recipe's name) as it is written; None without one.

    Raises:
        ConfigError: the section is no mapping, the recipe isn't YAML, no such recipe.
    """
    if recipe is None:
        return None
    path = find_recipe(recipe)
    document = _read_recipe(path)
    if SEARCH not in document.values:
        return None
    found = document.values[SEARCH]
    if not isinstance(found, Mapping):
        raise ConfigError(f"search takes a mapping from fields such as optimizer.learning_rate to lists or ranges, but "
                          f"found {show(found)} ({_place(path, document.lines.get(SEARCH))}). Write such as search: "
                          f"{{optimizer.learning_rate: {{min: 1e-5, max: 1e-2, sampling: log}}}}.")
    return found


def field_names(config_class: type, prefix: str = "") -> Iterator[str]:
    """Every dotted name that a recipe may set, sections left out: ``data.path``, ``data.validation``…"""
    for name, annotation in typing.get_type_hints(config_class).items():
        if dataclasses.is_dataclass(annotation):
            yield from field_names(typing.cast(type, annotation), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def field_help(config_class: type, name: str) -> str:
    """The one-line help of the field with the dotted name ``name``, with its default unless that is null."""
    *sections, last = name.split(".")
    for section in sections:
        config_class = typing.get_type_hints(config_class)[section]
    field = _fields(config_class)[last]
    default = "" if field.default is None else f" (default {field.default})"
    return f"{field.metadata['help']}{default}"


def unknown_name(config_class: type, name: str, where: str) -> str:
    """The message that says that no field is called ``name``, with the nearest that is."""
    return _unknown(name, "", _fields(config_class), config_class, where)


def _apply_recipe(config: T, path: Path, with_search: bool) -> T:
    document = _read_recipe(path)
    if SEARCH in document.values and not with_search:
        raise ConfigError(f"A search section is for `tfpt tune`, but {_place(path, document.lines.get(SEARCH))} gives "
                          f"one to a command that trains once. Tune with this recipe, or take the section out.")
    sections = {name: value for name, value in document.values.items() if name != SEARCH}
    return _fill(config, sections, lambda name: _place(path, document.lines.get(name)))


def _read_recipe(path: Path) -> Document:
    """The recipe, its values a mapping, empty for an empty file."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAXIMUM_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Expected a recipe, a YAML file in UTF-8, at {path}, but it can't be read: {error}. "
                          f"Check the path and that it is text.") from error
    document = read_yaml(text, str(path))
    if document.values is None:
        return Document({}, {})
    if not isinstance(document.values, Mapping):
        raise ConfigError(f"Expected a mapping of sections such as data and train in {path}, found "
                          f"{show(document.values)}. `tfpt finetune-image --dry-run` shows what a recipe sets.")
    return document


def _place(path: Path, line: int | None) -> str:
    return f"{path}, line {line}" if line else str(path)


def _apply_assignment(config: T, assignment: str) -> T:
    name, equals, text = assignment.partition("=")
    name = name.strip()
    if not equals or not all(name.split(".")):
        raise ConfigError(f"--set takes name=value, such as --set train.epochs=20, but found {assignment!r}.")
    where = f"--set {assignment}"
    return _fill(config, _nest(name, read_yaml(text, where).values), lambda _: where)


def _nest(name: str, value: Any) -> Any:
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def _fill(config: T, mapping: Any, where: Where, prefix: str = "", root: type | None = None) -> T:
    """``config`` with the values of ``mapping`` in place of its own; ``prefix`` is its dotted name with a dot."""
    root = root or type(config)
    hints, fields = typing.get_type_hints(type(config)), _fields(type(config))
    changes = {}
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if key not in fields:
            raise ConfigError(_unknown(_whole_name(name, value), prefix, fields, root, where(name)))
        if dataclasses.is_dataclass(hints[key]) and isinstance(value, Mapping):
            changes[key] = _fill(getattr(config, key), value, where, f"{name}.", root)
        else:
            changes[key] = _checked(value, hints[key], fields[key], where, name)
    return typing.cast(T, dataclasses.replace(typing.cast(Any, config), **changes))


def _checked(value: Any, annotation: Any, field: "dataclasses.Field[Any]", where: Where, name: str) -> Any:
    def nested(config_class: type, found: Any, suffix: str) -> Any:
        mapping = found if isinstance(found, Mapping) else dataclasses.asdict(found)
        return _fill(config_class(), mapping, where, f"{name}{suffix}.")

    try:
        return convert(value, annotation, field, nested)
    except Mismatch as mismatch:
        full_name = name + mismatch.suffix
        meaning = f" It is: {field.metadata['help']}." if "help" in field.metadata else ""
        raise ConfigError(f"{full_name} takes {mismatch.expected}, but found {show(mismatch.found)} "
                          f"({where(full_name)}).{meaning}") from None


def _fields(config_class: type) -> dict[str, "dataclasses.Field[Any]"]:
    return {field.name: field for field in dataclasses.fields(config_class)}


def _whole_name(name: str, value: Any) -> str:
    """``head`` with the value ``{units: […]}`` was meant as ``head.units``."""
    while isinstance(value, Mapping) and len(value) == 1:
        (key, value), = value.items()
        name = f"{name}.{key}"
    return name


def _unknown(name: str, prefix: str, fields: Mapping[str, Any], root: type, where: str) -> str:
    everywhere = [f"{prefix}{field}" for field in fields]
    if not prefix.endswith("]."):  # within a list, such as freeze.phases[0], only its own fields are near
        everywhere += field_names(root)
    if name in everywhere:
        section, _, last = name.rpartition(".")
        hint = f" Write it nested: {section}: {{{last}: …}}."
    else:
        near = _nearest(name, everywhere)
        hint = f" Did you mean {near}?" if near else ""
    section = prefix[:-1] or "The config"
    return f"There is no {name} ({where}).{hint} {section} has: {', '.join(fields)}."


def _nearest(name: str, known: Sequence[str]) -> str | None:
    # "units" or "head.units" is a whole name that lacks its beginning; otherwise it is a slip of spelling.
    near = ([whole for whole in known if whole.endswith(f".{name}")]
            or difflib.get_close_matches(name, known, 1)
            or [whole for whole in known if whole.endswith(f".{name.rpartition('.')[2]}")])
    return near[0] if near else None
