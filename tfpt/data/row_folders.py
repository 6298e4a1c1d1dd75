"""All row folders under the cache directory: what they hold, checking them, and making room. Needs no NumPy."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpt.data.cache_directory import cache_directory
from tfpt.data.row_segments import (
    ABOUT_FILE, DamagedSegment, check_segment, named_files, read_head, remove_stale, segment_files, unfinished_files)

_NAME_LENGTH = 16
_ABOUT_NAMES = re.compile(rf"{re.escape(ABOUT_FILE)}|\.{re.escape(ABOUT_FILE)}\..*\.tmp")


@dataclass(frozen=True)
class FolderSummary:
    """What one row folder holds.

    Attributes:
        about: what its rows are; empty if that can't be read.
        rows: in its finished segments, as far as these are whole at first sight.
        bytes: of all its files, unfinished ones too.
        last_used: when it was last opened, or any of its segments used; seconds since 1970.
    """

    name: str
    about: Mapping[str, Any]
    rows: int
    bytes: int
    segments: int
    last_used: float


@dataclass(frozen=True)
class FolderCheck:
    """How many ``segments`` were checked, and a sentence for each of them that was ``damaged`` and removed."""

    name: str
    segments: int
    damaged: tuple[str, ...]


def prefix_directory() -> Path:
    """Where the row folders are."""
    return cache_directory() / "prefix"


def prefix_folder(text: str) -> Path:
    """The row folder for what ``text`` tells in full: equal texts, one folder; it may not exist yet."""
    return prefix_directory() / hashlib.sha256(text.encode()).hexdigest()[:_NAME_LENGTH]


def list_folders() -> list[FolderSummary]:
    """All of them, whatever state they are in, the least recently used first."""
    summaries = [_summary(folder) for folder in _folders()]
    return sorted(summaries, key=lambda summary: (summary.last_used, summary.name))


def remove_folders(names: Iterable[str]) -> list[FolderSummary]:
    """Removes the folders of these names, and returns what each of them held.

    A process that is reading or writing them loses nothing but that its rows are not kept.

    Raises:
        OSError: a file can't be removed.
    """
    removed = []
    for name in names:
        folder = prefix_directory() / name
        removed.append(_summary(folder))
        _remove(folder, _own_files(folder))
    return removed


def evict(max_bytes: int, keep: Collection[str] = ()) -> int:
    """Removes segments, the least recently used first, until all folders together have at most ``max_bytes``.

    In the folders named in ``keep``, what was used since they were opened goes last. Folders that have no segment left
    go as well. What can't be removed is passed over. A process that is reading what goes loses nothing.

    Returns:
        The bytes that went.
    """
    total, segments = 0, []
    for folder in _folders():
        remove_stale(folder)
        _remove_if_empty(folder)
        total += sum(map(_size, _own_files(folder)))
        opened = _time(folder / ABOUT_FILE)
        for file in segment_files(folder):
            used = _time(file)
            segments.append((folder.name in keep and used >= opened, used, file, _size(file)))
    removed = 0
    for _, _, file, size in sorted(segments):
        if total - removed <= max_bytes:
            break
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
            removed += size + _remove_if_empty(file.parent)
    return removed


def verify_folders() -> Iterator[FolderCheck]:
    """Compares all checksums of all folders, one folder at a time, and removes damaged segments."""
    for folder in _folders():
        segments, damaged = segment_files(folder), []
        for file in segments:
            try:
                check_segment(file)
            except FileNotFoundError:  # another process has just removed it
                continue
            except DamagedSegment as problem:
                damaged.append(f"{file} was damaged ({problem}); it is removed.")
                with contextlib.suppress(OSError):
                    file.unlink()
            except OSError as problem:
                damaged.append(f"{file} can't be read ({problem.strerror or problem}).")
        yield FolderCheck(folder.name, len(segments), tuple(damaged))


def _folders() -> list[Path]:
    """Folders of ours: TFPT_CACHE may name a place where others keep things too."""
    root = prefix_directory()
    try:
        return sorted(folder for folder in root.iterdir() if folder.is_dir() and _own_files(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _own_files(folder: Path) -> list[Path]:
    return [*segment_files(folder), *unfinished_files(folder), *named_files(folder, _ABOUT_NAMES)]


def _remove(folder: Path, files: Iterable[Path]) -> None:
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
    with contextlib.suppress(OSError):  # something that isn't ours is in it, or it is gone
        folder.rmdir()


def _remove_if_empty(folder: Path) -> int:
    """Removes a folder without rows, which whoever still has it open makes again; returns the bytes that went."""
    if segment_files(folder) or unfinished_files(folder):
        return 0
    about = named_files(folder, _ABOUT_NAMES)
    size = sum(map(_size, about))
    with contextlib.suppress(OSError):
        _remove(folder, about)
    return size


def _summary(folder: Path) -> FolderSummary:
    segments = segment_files(folder)
    return FolderSummary(folder.name, _about(folder), sum(_rows(file) for file in segments),
                         sum(_size(file) for file in _own_files(folder)), len(segments), _last_used(folder))


def _about(folder: Path) -> Mapping[str, Any]:
    try:
        about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def _rows(file: Path) -> int:
    try:
        with file.open("rb") as stream:
            return read_head(stream).rows
    except (OSError, DamagedSegment):
        return 0


def _size(file: Path) -> int:
    try:
        return os.lstat(file).st_size
    except OSError:
        return 0


def _last_used(folder: Path) -> float:
    return max(map(_time, (folder / ABOUT_FILE, *segment_files(folder)))) or _time(folder)


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
