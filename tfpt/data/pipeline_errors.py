"""Errors within tf.data, which raises its own for all of them: files that can't be read any more as DataError."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from tfpt.data.listing import printable
from tfpt.errors import DataError

_RAISED = re.compile(r"\bDataError: (.+)")
"""What ``tf.numpy_function`` tells of ours, before the traceback."""

_AROUND = re.compile(
    r"\A(\{\{function_node [^}]*\}\} |"
    r"Graph execution error:\s+Detected at .*\n(?:<stack traces unavailable>\n|  .*\n)*)?"
    r"(Error in user-defined function passed to \S+ transformation with iterator: \S+: )?")
"""What TensorFlow tells before the words of ``tf.io.read_file``, which are a path, ``; ``, and why."""


@contextmanager
def unreadable_input_told() -> Iterator[None]:
    """Makes errors of batches that are drawn within DataError if they are of files that went, or that were cut."""
    try:
        yield
    except tf.errors.OpError as error:
        told = _told(error.message)
        if told is None:
            raise
        raise DataError(f"{told} It could be read when the data were checked.") from error


def drawn(batches: Iterable[Any]) -> Iterator[Any]:
    """``batches``, one after the other. Raises DataError: as ``unreadable_input_told``."""
    with unreadable_input_told():
        yield from batches


def _told(message: str) -> str | None:
    raised = _RAISED.search(message)
    if raised:
        return raised[1]
    words, found, _ = message.partition("\n\t [[{{node ReadFile}}]]")
    path, _, why = _AROUND.sub("", words).rpartition("; ")
    return f"{printable(path)} can't be read: {why}." if found and path else None
