"""Callbacks that a user names on the command line, ``module:Class``: somebody else's code, made without arguments."""

import difflib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from tfpt.errors import UsageError


def load_callbacks(names: Sequence[str]) -> list[keras.callbacks.Callback]:
    """An instance of each. Modules in the present folder are found too, after all that are installed.

    Raises:
        UsageError: one can't be imported, is no Keras callback, or can't be made without arguments.
    """
    return [_load_callback(name) for name in names]


def _load_callback(name: str) -> keras.callbacks.Callback:
    module_name, _, class_name = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *class_name.split("."))):
        raise UsageError(f"--callback takes a module and a class in it, such as my_callbacks:Log, but got {name!r}.")
    with _present_folder_searched(module_name):
        found: Any = _import(module_name, name)
    for part in class_name.split("."):
        owner, found = found, getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, keras.callbacks.Callback)):
        raise UsageError(f"--callback {name}: expected a class that inherits from keras.callbacks.Callback, but "
                         f"{_what(found, owner, class_name)}")
    try:
        return found()
    except (Exception, SystemExit) as problem:
        raise UsageError(f"--callback {name}: {class_name}() raised {_shown(problem)}. It is made without arguments; "
                         "one that needs some takes a class of your own that passes them.") from problem


@contextmanager
def _present_folder_searched(module_name: str) -> Iterator[None]:
    """For a module that isn't installed, and no longer than its import takes: nothing else is to come from there."""
    before = list(sys.path)
    first = module_name.partition(".")[0]
    if first not in sys.modules and importlib.util.find_spec(first) is None:
        sys.path.append(os.getcwd())
        importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def _import(module_name: str, name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as problem:
        if problem.name is not None and f"{module_name}.".startswith(f"{problem.name}."):
            raise UsageError(f"--callback {name}: there is no module {problem.name}, neither installed beside tfpt nor "
                             f"in the present folder, {os.getcwd()}.") from problem
        raise UsageError(f"--callback {name}: importing {module_name} raised {_shown(problem)}.") from problem
    except (Exception, SystemExit) as problem:
        raise UsageError(f"--callback {name}: importing {module_name} raised {_shown(problem)}.") from problem


def _what(found: Any, owner: Any, class_name: str) -> str:
    if found is not None:
        return f"{class_name} is {'another class' if isinstance(found, type) else _with_article(found)}."
    names = [name for name, value in vars(owner).items()
             if isinstance(value, type) and issubclass(value, keras.callbacks.Callback)]
    near = difflib.get_close_matches(class_name, names, n=1)
    return f"there is no {class_name} in it" + (f"; did you mean {near[0]}?" if near else ".")


def _with_article(found: Any) -> str:
    name = type(found).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _shown(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {' '.join(str(problem).split())[:300]}"
