"""Numbered exports: written beside, renamed into place when all of it is good, never over an existing one."""

import contextlib
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tfpt.atomic_files import sync_folder
from tfpt.errors import ExportError

_UNFINISHED = re.compile(r"\.\d+\.tmp")
MAX_VERSION = 2 ** 63 - 1
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def publishing(base: Path, version: int | None = None) -> Iterator[tuple[Path, int]]:
    """An empty folder to write an export into, and its number: ``version``, else the next free one.

    If the block ends well the folder becomes ``base/<version>``, otherwise nothing is left of it.

    Raises:
        ExportError: the version exists, another process exports to ``base`` now, or it can't be written.
    """
    with _writable(base), _only_exporter(base):
        for name in os.listdir(base):  # an export that was killed
            if _UNFINISHED.fullmatch(name):
                shutil.rmtree(base / name, ignore_errors=True)
        taken = versions(base)
        number = max(taken, default=0) + 1 if version is None else version
        if number in taken:
            raise ExportError(f"Expected to write version {number} in {base}, but it exists, and a version that may be "
                              f"served is never written over. Leave --version out: the next free one is "
                              f"{max(taken) + 1}.")
        if number > MAX_VERSION:
            raise ExportError(f"Expected a version up to {MAX_VERSION}, the largest that servers know, but {base} "
                              f"holds that one already. Choose a lower one with --version, or another directory with "
                              f"--to.")
        beside = base / f".{number}.tmp"
        try:
            beside.mkdir()
            yield beside, number
            _sync_all(beside)
            os.rename(beside, base / str(number))
            sync_folder(base)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def versions(base: Path) -> dict[int, Path]:
    """The numbers that are taken in ``base``, the lowest first, and what has them."""
    paths = base.iterdir() if base.is_dir() else ()
    return dict(sorted((int(path.name), path) for path in paths if path.name.isascii() and path.name.isdigit()))


@contextlib.contextmanager
def _writable(base: Path) -> Iterator[None]:
    try:
        base.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        advice = "Make room, or choose" if error.errno in _NO_ROOM else "Choose"
        raise ExportError(f"Expected to write an export into {base}, but: {error.strerror or error}. Nothing was "
                          f"published. {advice} another directory with --to.") from error


@contextlib.contextmanager
def _only_exporter(base: Path) -> Iterator[None]:
    descriptor = os.open(base, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ExportError(f"Expected to be the only one to export into {base}, but another process is doing so. "
                          f"Wait for it, or choose another directory with --to.") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _sync_all(folder: Path) -> None:
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(place))
