"""A checkpoint's state as it was read from a file: what it must be before a loop goes on from it."""

import typing
from collections.abc import Collection, Mapping
from types import UnionType
from typing import Any

from tfpt.errors import RunError
from tfpt.training.conditions import is_journal
from tfpt.training.job import LoopState


def check_state(state: Any, where: str, totals: Collection[str]) -> None:
    """RunError unless ``state`` is what ``dataclasses.asdict`` makes of a LoopState, fields of newer ones apart.

    ``totals`` are those that the task adds up over an epoch.
    """
    hints = typing.get_type_hints(LoopState)
    if not isinstance(state, Mapping) or not {"epoch", "step"} <= set(state) <= set(hints):
        raise _wrong(where, "it has other fields than a training's")
    wrong = [name for name, value in state.items() if not _is(value, hints[name])]
    if wrong:
        raise _wrong(where, f"{', '.join(sorted(wrong))} of another type than a training writes")
    if state["epoch"] < 1 or state["step"] < 0:
        raise _wrong(where, f"it is at epoch {state['epoch']}, step {state['step']}")
    if not is_journal(state.get("recoveries", ())):
        raise _wrong(where, "its journal of what went wrong isn't one")
    if state["step"] and set(state.get("totals", ())) != set(totals):
        raise _wrong(where, "the sums of its epoch aren't those of the task")
    if not set(LoopState().wall_seconds) <= set(state.get("wall_seconds", LoopState().wall_seconds)):
        raise _wrong(where, "its wall_seconds lack a part")
    if not all(isinstance(callback.get("class"), str) and isinstance(callback.get("attributes"), dict)
               for callback in state.get("callbacks", ())):
        raise _wrong(where, "the state of a callback isn't one")
    if not _is_best(state.get("best")):
        raise _wrong(where, "its best epoch lacks a value")


def _is_best(best: Mapping[str, Any] | None) -> bool:
    if best is None:
        return True
    value = best.get("value")
    return (type(best.get("epoch")) is int and isinstance(best.get("validation"), dict)
            and all(_is(part, float) for part in (value if isinstance(value, list) and value else [value])))


def _is(value: Any, hint: Any) -> bool:
    """Whether a JSON value is of the type ``hint``: a class, ``list[…]``, ``dict[…, …]`` or a union of these."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is UnionType:
        return any(_is(value, argument) for argument in arguments)
    if origin is list:
        return isinstance(value, list) and all(_is(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(_is(item, arguments[1]) for item in value.values())
    if hint is Any:
        return True
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, hint)


def _wrong(where: str, why: str) -> RunError:
    return RunError(f"Expected {where} to say how far its training was, but {why}: something other than tfpt wrote or "
                    "changed it. Remove that checkpoint, so that an older one is taken, or start a new run.")
