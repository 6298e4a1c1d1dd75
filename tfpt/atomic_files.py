"""Writes that are whole or absent, whenever the machine stops."""

import contextlib
import itertools
import os
import stat
from pathlib import Path

from tfpt.errors import RunError

MOST_BYTES = 2**28
"""Of a run's own texts: with a million images left out, run.json is smaller."""

_write_numbers = itertools.count()


def atomic_write_text(path: Path, text: str) -> None:
    """Writes ``text`` in UTF-8: after a crash the file holds the old content or the new one, never a part."""
    atomic_write_bytes(path, text.encode("utf-8"))


def atomic_write_bytes(path: Path, content: bytes) -> None:
    """Writes ``content`` beside ``path``, syncs it, renames it into place and syncs the folder.

    Raises:
        RunError: the folder isn't writable, or the disk is full.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{next(_write_numbers)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        raise not_writable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def read_own_text(path: Path) -> str:
    """A file of a run, in UTF-8. The run may be somebody else's: no device, no pipe that never ends, nothing huge.

    Raises:
        OSError, ValueError: it can't be read as that.
    """
    return read_own_bytes(path, MOST_BYTES).decode("utf-8")


def read_own_bytes(path: Path, most_bytes: int) -> bytes:
    """As ``read_own_text``, not decoded."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > most_bytes:
            raise ValueError(f"it is no file of at most {most_bytes:,} bytes")
        return file.read(most_bytes)


def make_folder(path: Path) -> Path:
    """``path``, made with its parents; RunError if it can't be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable(path, error) from error
    return path


def writable_folder(path: Path) -> Path:
    """``make_folder``; RunError too if files can't be made in it, which on every file system only trying tells."""
    probe = make_folder(path) / f".probe.{os.getpid()}.tmp"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise not_writable(path, error) from error
    return path


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def not_writable(path: Path, error: OSError) -> RunError:
    """The error that says why ``path`` can't be written, and what to do."""
    return RunError(f"Expected to write {path}, but: {error.strerror or error}. Choose a directory that you may "
                    f"write, on a disk with room, with --run-dir.")
