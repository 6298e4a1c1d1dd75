"""How many steps a call of many runs: enough to cost nothing, few enough that a signal is answered soon."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfpt.data.pipeline_errors import unreadable_input_told
from tfpt.errors import TrainingFailed
from tfpt.training.memory import is_out_of_memory

CALL_SECONDS = 1.0
"""About how long one call runs: a signal is answered after it."""


@contextlib.contextmanager
def counted(wall_seconds: dict[str, float], kind: str | None) -> Iterator[None]:
    """Adds the seconds of the block to those of ``kind``, if it is one."""
    began = time.monotonic()
    yield
    if kind is not None:
        wall_seconds[kind] += time.monotonic() - began


@contextlib.contextmanager
def memory_error_explained(where: str) -> Iterator[None]:
    """Running out of memory as TrainingFailed; ``where`` is such as "while frozen layers were run".

    Input that can't be read any more becomes DataError.
    """
    try:
        with unreadable_input_told():
            yield
    except Exception as problem:
        if not is_out_of_memory(problem):
            raise
        raise TrainingFailed(f"Out of memory {where}. Lower --batch-size and raise train.accumulation_steps by the "
                             "same factor, which keeps the size of an update; or lower --image-size.") from problem


class TimedCalls:
    """Runs calls of one kind ("train", "validation") and learns how long a step takes."""

    def __init__(self, kind: str, call: Callable[..., Any]):
        self._kind, self._call = kind, call
        self._step_seconds: float | None = None
        self.traced = False

    def wanted(self, left_steps: int) -> int:
        """How many of ``left_steps`` the next call had best run."""
        if self._step_seconds is None:
            return 1
        return min(left_steps, max(1, int(CALL_SECONDS / max(self._step_seconds, 1e-6))))

    def run(self, iterator: Any, step_count: int, totals: Any, wall_seconds: dict[str, float]) -> Any:
        """Run ``step_count`` steps; returns their totals.

        ``wall_seconds`` gets what they take, under their kind; the first call, which traces, counts under "trace".
        """
        began = time.monotonic()
        totals = self._call(iterator, tf.constant(step_count), totals)
        float(totals["examples"])  # waits for the result
        seconds = time.monotonic() - began
        self.traced = self._step_seconds is not None
        wall_seconds[self._kind if self.traced else "trace"] += seconds
        # The first call traced: try a few steps before measuring.
        self._step_seconds = seconds / step_count if self.traced else CALL_SECONDS / 4
        return totals
