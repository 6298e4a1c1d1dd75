"""Where files that can be made again are kept between runs."""

import contextlib
import os
from pathlib import Path

from tfpt.errors import DataError


def cache_directory() -> Path:
    """``$TFPT_CACHE``, else ``$XDG_CACHE_HOME/tfpt``, else ``~/.cache/tfpt``. It may not exist yet."""
    if os.environ.get("TFPT_CACHE"):
        return Path(os.environ["TFPT_CACHE"]).expanduser()
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]).expanduser() / "tfpt"
    try:
        return Path.home() / ".cache" / "tfpt"
    except RuntimeError as error:
        raise DataError("No home directory for the cache: set TFPT_CACHE to a folder that can be written.") from error


def mark_used(path: Path) -> None:
    """Makes now its time of last use, which is its time of modification: what is used least recently goes first."""
    with contextlib.suppress(OSError):  # a cache that may only be read is one that can be used
        os.utime(path)
