"""Callbacks of the user that raise: the training goes on to where it can be saved, and ends there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from tfpt.errors import CallbackFailed

_HOOKS = ["set_model", "set_params", *(name for name in dir(keras.callbacks.Callback) if name.startswith("on_"))]


class CallbackErrors:
    """Catches what ``callbacks`` raise while ``caught`` is open. One that has raised is not called again; the others
    are, as the state that is saved is that of after the call.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]):
        self._callbacks = callbacks
        self._first: tuple[str, BaseException] | None = None
        self._failed: set[int] = set()

    @contextmanager
    def caught(self) -> Iterator[None]:
        """While the block runs, no method of the callbacks raises."""
        own = [{hook: vars(callback)[hook] for hook in _HOOKS if hook in vars(callback)}
               for callback in self._callbacks]
        for callback in self._callbacks:
            for hook in _HOOKS:
                setattr(callback, hook, self._guarded(callback, hook))
        try:
            yield
        finally:
            for callback, hooks in zip(self._callbacks, own, strict=True):
                for hook in _HOOKS:
                    vars(callback).pop(hook, None)  # it may be there twice
                vars(callback).update(hooks)  # as Keras's LambdaCallback has them

    @property
    def found(self) -> bool:
        """Whether one has raised."""
        return self._first is not None

    def tell(self, what_now: str) -> None:
        """Raises CallbackFailed, from the callback's own exception, if one has raised."""
        if self._first is not None:
            where, problem = self._first
            raise CallbackFailed(f"The callback's {where} raised {type(problem).__name__}: "
                                 f"{' '.join(str(problem).split())[:300]}. {what_now}") from problem

    def _guarded(self, callback: keras.callbacks.Callback, hook: str) -> Callable[..., Any]:
        method = getattr(callback, hook)

        def guarded(*arguments: Any, **keywords: Any) -> Any:
            if id(callback) in self._failed:
                return None
            try:
                return method(*arguments, **keywords)
            except (Exception, SystemExit) as problem:
                self._failed.add(id(callback))
                self._first = self._first or (f"{type(callback).__name__}.{hook}", problem)
                return None

        return guarded
