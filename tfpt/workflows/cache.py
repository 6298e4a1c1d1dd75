"""What is kept between runs: rows of frozen layers' activations, and converted images. Without TensorFlow."""

import contextlib
import datetime
import difflib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tfpt.data.cache_directory import cache_directory
from tfpt.data.converted_images import measure_converted, remove_converted
from tfpt.data.notes import list_notes, remove_notes
from tfpt.data.row_folders import list_folders, remove_folders, verify_folders
from tfpt.errors import DataError, UsageError

CONVERTED, NOTES = "converted", "notes"
"""The names that stand for all converted images, and for all notes of runs, beside those of the row folders."""
SECONDS_PER_DAY = 86_400


@contextlib.contextmanager
def _problems_explained() -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise DataError(f"Expected to be allowed to read and change the cache {cache_directory()}, but "
                        f"{problem.filename or 'a file'} refuses: {problem.strerror or problem}. Change its "
                        "permissions, or set TFPT_CACHE to another folder.") from problem


@_problems_explained()
def cache_table() -> dict[str, Any]:
    """``cache`` (the folder), ``bytes`` in all, ``folders`` (the least recently used first: name, about, rows, bytes,
    segments, last_used), ``converted`` (images, bytes, last_used) and ``notes`` (notes, bytes, last_used). Times are
    local; None: never.

    Raises:
        DataError: the cache can't be read.
    """
    folders: list[dict[str, Any]] = [
        {"name": folder.name, "about": dict(folder.about), "rows": folder.rows, "bytes": folder.bytes,
         "segments": folder.segments, "last_used": _local_time(folder.last_used)} for folder in list_folders()]
    images = measure_converted()
    converted = {"images": images.files, "bytes": images.bytes, "last_used": _local_time(images.last_used)}
    found = list(list_notes())
    notes_bytes = sum(size for _, size, _ in found)
    notes = {"notes": len(found), "bytes": notes_bytes,
             "last_used": _local_time(max((written for _, _, written in found), default=0.0))}
    return {"cache": str(cache_directory()), "folders": folders, "converted": converted, "notes": notes,
            "bytes": images.bytes + notes_bytes + sum(folder["bytes"] for folder in folders)}


@_problems_explained()
def clear_cache(names: Sequence[str] = (), older_than_days: float | None = None) -> dict[str, Any]:
    """Removes what ``names`` say, or everything, as far as it was last used more than ``older_than_days`` ago.

    A name is that of a folder, or its beginning, ``converted`` or ``notes``. A run that works reads converted images,
    so unless they are named, those used in the last day stay. Returns ``removed`` (name, bytes of each) and ``bytes``
    in all.

    Raises:
        UsageError: nothing has one of these names.
        DataError: a file can't be removed.
    """
    folders = list_folders()
    chosen = _matching(names, [folder.name for folder in folders])
    until = None if older_than_days is None else time.time() - older_than_days * SECONDS_PER_DAY
    doomed = [folder.name for folder in folders
              if (not names or folder.name in chosen) and (until is None or folder.last_used < until)]
    removed = [{"name": folder.name, "bytes": folder.bytes} for folder in remove_folders(doomed)]
    if not names or CONVERTED in names:
        yesterday = time.time() - SECONDS_PER_DAY
        images = remove_converted(until if names else yesterday if until is None else min(until, yesterday))
        if images.files:
            removed.append({"name": CONVERTED, "bytes": images.bytes})
    if not names or NOTES in names:
        freed = remove_notes(until)
        if freed:
            removed.append({"name": NOTES, "bytes": freed})
    return {"removed": removed, "bytes": sum(item["bytes"] for item in removed)}


@_problems_explained()
def verify_cache() -> dict[str, Any]:
    """Compares all checksums and removes what is damaged. ``folders``: name, segments, damaged (a sentence each).

    Raises:
        DataError: the cache can't be read.
    """
    return {"folders": [{"name": check.name, "segments": check.segments, "damaged": list(check.damaged)}
                        for check in verify_folders()]}


def _matching(names: Sequence[str], folders: Sequence[str]) -> set[str]:
    """The folders whose names begin with one of ``names``; each of these must match something."""
    chosen: set[str] = set()
    for name in names:
        found = [folder for folder in folders if name and folder.startswith(name)]
        if not found and name not in (CONVERTED, NOTES):
            near = difflib.get_close_matches(name, [*folders, CONVERTED, NOTES], 2, 0.5)
            hint = f"Did you mean {' or '.join(near)}?" if near else "`tfpt cache list` shows the names."
            raise UsageError(f"Expected a name in the cache, the beginning of one, {CONVERTED} or {NOTES}, but nothing "
                             f"in {cache_directory()} is called {name!r}. {hint}")
        chosen.update(found)
    return chosen


def _local_time(seconds: float) -> str | None:
    return datetime.datetime.fromtimestamp(seconds).isoformat(" ", "minutes") if seconds else None
