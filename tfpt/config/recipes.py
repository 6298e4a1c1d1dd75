"""Recipes by path or by name: ``photos.yaml``, ``image_classification/demo``."""

import difflib
import os
from pathlib import Path

from tfpt.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[1]


def recipes_folder() -> Path:
    """Where the shipped recipes are: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def recipe_names() -> list[str]:
    """The names of the shipped recipes, such as ``image_classification/demo``."""
    folder = recipes_folder()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def find_recipe(name: str | Path) -> Path:
    """The recipe's file. An existing file wins over a shipped recipe of that name.

    Raises:
        ConfigError: neither exists; the message lists the nearest names.
    """
    path = Path(os.path.expanduser(name))
    if os.path.isfile(path):
        return path
    shipped = path.as_posix().removesuffix(".yaml")
    names = recipe_names()
    if shipped in names:
        return recipes_folder() / f"{shipped}.yaml"
    near = difflib.get_close_matches(shipped, names, 3, 0.5) or [known for known in names if shipped in known][:3]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"The shipped recipes are {', '.join(names)}."
    what = "is a folder" if os.path.isdir(path) else "is neither a file here nor the name of a shipped recipe"
    raise ConfigError(f"--config takes a YAML file or the name of a shipped recipe, but {name} {what}. {hint}")
