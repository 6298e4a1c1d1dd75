"""Small notes that runs leave for later ones: which files were found good, how fast the layers of a model are."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tfpt.data.cache_directory import cache_directory

_KINDS = {"checked": "*.json", "prefix_costs": "*.json", "tfds": "*.npz"}


def notes_folder(kind: str) -> Path:
    """Where notes of a kind are: ``checked`` (``known_files.py``), ``prefix_costs`` (``prefix_cache/costs.py``) or
    ``tfds`` (``tfds/record_index.py``).
    """
    assert kind in _KINDS
    return cache_directory() / kind


def list_notes() -> Iterator[tuple[Path, int, float]]:
    """Each note with its bytes and the time it was written, in seconds since 1970."""
    for kind, pattern in _KINDS.items():
        folder = notes_folder(kind)
        for path in sorted(folder.glob(pattern)) if folder.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                yield path, status.st_size, status.st_mtime


def remove_notes(until: float | None = None) -> int:
    """Removes all notes, or those written before ``until``; returns their bytes. Raises OSError."""
    freed = 0
    for path, size, written in list(list_notes()):
        if until is None or written < until:
            path.unlink(missing_ok=True)
            freed += size
    return freed
