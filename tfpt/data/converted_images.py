"""The folder of images that were converted to PNG once (``normalise.py``): how much it holds, and clearing it."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfpt.data.cache_directory import cache_directory

_NAME = re.compile(r"[0-9a-f]{64}\.png(\.[0-9]+-[0-9]+\.tmp)?")


@dataclass(frozen=True)
class ConvertedImages:
    """How many files there are, their bytes, and when one was last used, in seconds since 1970 (0: never)."""

    files: int
    bytes: int
    last_used: float


def converted_directory() -> Path:
    """Where they stand. A change to what ``normalise.to_rgb`` does needs another folder name here."""
    return cache_directory() / "images"


def measure_converted() -> ConvertedImages:
    """What the folder holds now."""
    found = [status for _, status in _files()]
    return ConvertedImages(len(found), sum(size for size, _ in found), max((used for _, used in found), default=0.0))


def remove_converted(unused_since: float | None = None) -> ConvertedImages:
    """Removes all images, or those last used before that time (seconds since 1970); returns what was removed.

    A run that is working reads these files: they must not be taken from it.

    Raises:
        OSError: one can't be removed.
    """
    files, freed, last_used = 0, 0, 0.0
    for path, (size, used) in _files():
        if unused_since is None or used < unused_since:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                files, freed, last_used = files + 1, freed + size, max(last_used, used)
    return ConvertedImages(files, freed, last_used)


def _files() -> Iterator[tuple[Path, tuple[int, float]]]:
    """Each file of ours with its size in bytes and its time of last use."""
    folder = converted_directory()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if _NAME.fullmatch(path.name):  # TFPT_CACHE may name a place where others keep images too
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                yield path, (status.st_size, status.st_mtime)
