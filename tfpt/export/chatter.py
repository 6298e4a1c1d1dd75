"""Keeps what converters and runtimes print off the terminal, unless they fail."""

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO

from tfpt.errors import TfptError


@contextlib.contextmanager
def chatter_shown_on_failure() -> Iterator[None]:
    """Keeps what the block writes to stdout and stderr, Python's or C++'s. If it fails it goes to stderr after all.

    A TfptError says all there is to say: nothing is shown before it.
    """
    # A line at a time, so that what Python and C++ write keeps its order.
    with tempfile.TemporaryFile("w+", buffering=1, encoding="utf-8", errors="replace") as kept:
        try:
            with (warnings.catch_warnings(), _redirected(1, kept), _redirected(2, kept),
                  contextlib.redirect_stdout(kept), contextlib.redirect_stderr(kept)):
                warnings.simplefilter("ignore")
                yield
        except TfptError:
            raise
        except Exception:
            kept.seek(0)
            if sys.stderr is not None:
                sys.stderr.write(kept.read())
            raise


@contextlib.contextmanager
def _redirected(descriptor: int, file: IO[str]) -> Iterator[None]:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    try:
        original = os.dup(descriptor)
    except OSError:  # the program was started without it: nothing to silence
        yield
        return
    os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(original, descriptor)
        os.close(original)
