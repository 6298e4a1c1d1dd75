"""Keeps the chatter of image libraries off the terminal while broken images are being looked for."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence Pillow's warnings, and what C libraries write to stderr, until the block ends.

    libjpeg and libpng write complaints about damaged files straight to file descriptor 2; a damaged file is a
    result here, not news. Both settings hold for the whole process, so keep the block short and enter it in one thread.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            saved = os.dup(2)
        except OSError:  # the program was started without a stderr: nothing to silence
            yield
            return
        devnull = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(devnull, 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(devnull)
