"""Small segments of a row folder made into one: each costs whoever opens the folder a descriptor and a map.

The new file has its name before the old ones go: a process that is killed in between leaves rows twice, and none less.
Whoever merges a file holds a lock on it, so that no two processes do it at once.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tfpt.data.row_maps import MappedSegment, map_rows
from tfpt.data.row_segments import KEY_BYTES, SegmentWriter

_MOST_SMALL, _AT_ONCE = 16, 32
_SMALL_BYTES = 64 * 2**20
"""Larger ones stay as they are: copying them takes long, and there can't be many."""


def merge_small(folder: Path, row_bytes: int, segments: Sequence[MappedSegment],
                remove: Callable[[MappedSegment], None]) -> list[Path]:
    """Merges the small ones of ``segments`` if there are too many, and returns the new files, in which they lie then.

    What this process uses and what it doesn't stay apart: they are removed from the cache at different times. A
    segment that is found damaged is given to ``remove`` instead. Raises OSError; all is as before then.
    """
    merged = []
    for used in (True, False):
        with contextlib.ExitStack() as locks:
            files = {file: pieces for file, pieces in _small(segments, used) if locks.enter_context(_locked(file))}
            if len(files) > _MOST_SMALL:
                merged += _merge(folder, row_bytes, files, remove)
    return merged


def _small(segments: Sequence[MappedSegment], used: bool) -> list[tuple[Path, list[MappedSegment]]]:
    """Small files and all that lies in each; none if they are few."""
    files: dict[Path, list[MappedSegment]] = {}
    for segment in segments:
        if segment.file is not None:
            files.setdefault(segment.file, []).append(segment)
    small = [(file, pieces) for file, pieces in files.items()
             if any(piece.used for piece in pieces) == used and all(piece.usable for piece in pieces)
             and sum(piece.rows.nbytes for piece in pieces) < _SMALL_BYTES
             and file.exists()]  # another process may have merged it away
    return small[:_AT_ONCE] if len(small) > _MOST_SMALL else []


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[bool]:
    """Whether the file is still there and could be locked, which on a file system without locks it can't."""
    with contextlib.ExitStack() as opened:
        try:
            stream = opened.enter_context(file.open("rb"))
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = os.fstat(stream.fileno()).st_nlink > 0
        except OSError:
            locked = False
        yield locked


def _merge(folder: Path, row_bytes: int, files: Mapping[Path, list[MappedSegment]],
           remove: Callable[[MappedSegment], None]) -> list[Path]:
    pieces = [piece for pieces in files.values() for piece in pieces]
    last_used = max(file.stat().st_mtime_ns for file in files)
    writer, start = SegmentWriter(folder, row_bytes), 0
    try:
        for piece in pieces:
            if not _copy(piece, writer):
                remove(piece)
                return []
        new = writer.finish()
        os.utime(new, ns=(last_used, last_used))  # fails if the new file has been cleared away already
        rows = map_rows(writer.descriptor, writer.rows, row_bytes)
    finally:
        writer.close()
    for piece in pieces:
        piece.rows, piece.file = rows[start:start + len(piece.rows)], new
        start += len(piece.rows)
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink()
    return [new]


def _copy(piece: MappedSegment, writer: SegmentWriter) -> bool:
    """Block by block; False if one is damaged. What is written is what was compared: no damage gets a new checksum."""
    footer, flat = piece.footer, piece.rows.reshape(-1)
    assert footer is not None
    for block in range(footer.blocks):
        content = flat[footer.span(block)].tobytes()
        if not footer.is_whole(block, content):
            return False
        first = block * footer.rows_per_block
        writer.append(memoryview(footer.keys)[first * KEY_BYTES:(first + footer.rows_per_block) * KEY_BYTES],
                      memoryview(content))
    return True
