"""Row folders: rows of a fixed length under 16-byte keys, kept on disk between runs and mapped into memory.

A folder holds segments (``row_segments.py``), each by one writer and never changed once it has its name. So several
processes may write and read the same folder at once; that both may then write the same rows does no harm, nor that one
removes what another has open.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.atomic_files import atomic_write_text
from tfpt.data.cache_directory import mark_used
from tfpt.data.key_index import KeyIndex
from tfpt.data.row_maps import MappedSegment, by_segment, end_of, map_rows
from tfpt.data.row_merging import merge_small
from tfpt.data.row_segments import (
    ABOUT_FILE, KEY_BYTES, DamagedSegment, SegmentWriter, read_footer, remove_stale, segment_files)
from tfpt.errors import DataError, RunError

_TRIES = 5


class RowFolder:
    """An open row folder. ``find`` and ``read`` may be called from many threads while one appends.

    Rows are named by numbers that hold as long as this object. Segments that other processes finish after it was
    opened are seen by ``refresh``. ``damaged`` has a sentence for each file that was found damaged, and removed.
    """

    def __init__(self, path: Path, row_bytes: int, about: Mapping[str, Any]):
        """Makes the folder and opens its segments.

        ``about``: JSON-able, what the rows are; ``tfpt cache list`` shows its texts.

        Raises:
            DataError: the folder can't be made or read.
        """
        if row_bytes < 1:
            raise ValueError(f"row_bytes is {row_bytes}")
        self.path, self.row_bytes = path, row_bytes
        self.damaged: list[str] = []
        self._about = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
        self._changing = threading.Lock()  # readers take no lock: what they read is replaced, never changed
        self._segments: tuple[MappedSegment, ...] = ()
        self._index = KeyIndex()
        self._writer: SegmentWriter | None = None
        self._writing_since = 0.0
        self._known: set[str] = set()  # names of files that needn't be opened, or opened again
        self._merges = True
        try:
            self._again_if_removed(self._make_folder)
            mark_used(path / ABOUT_FILE)
            remove_stale(path)
            while self._open_new():  # what was merged meanwhile is in a file that the list didn't have
                pass
        except OSError as problem:
            raise self._not_usable(problem) from problem

    def find(self, keys: np.ndarray) -> np.ndarray:
        """int64 ``[n]``: the row number of each of the ``keys``, uint8 ``[n, 16]``; -1 where there is none."""
        return self._index.find(_as_bytes(keys, KEY_BYTES))

    def verified(self, rows: np.ndarray) -> np.ndarray:
        """bool ``[n]``: whether each row, int64 ``[n]``, is as it was written; False for -1.

        The sha256 of every block that holds one of them is compared, once. A segment with a block that differs is
        removed: all its rows are False from then on, and ``find`` doesn't find them.
        """
        result = np.zeros(len(rows), bool)
        with self._changing:
            for segment, where, within in by_segment(self._segments, rows):
                if segment.usable and not segment.is_whole(within):
                    self._remove(segment)
                segment.used |= segment.usable
                result[where] = segment.usable
        return result

    def read(self, rows: np.ndarray) -> np.ndarray:
        """uint8 ``[n, row_bytes]``: a copy of the rows of these numbers, int64 ``[n]``, in their order.

        Raises:
            IndexError: there was never such a row.
        """
        segments, rows = self._segments, np.asarray(rows, np.int64)
        if len(rows) and not (rows.min() >= 0 and rows.max() < end_of(segments)):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {end_of(segments)}")
        result = np.empty((len(rows), self.row_bytes), np.uint8)
        for segment, where, within in by_segment(segments, rows):
            if len(where) == len(rows):  # one segment holds all, the usual case: no second copy
                return np.take(segment.rows, within, axis=0, out=result, mode="clip")
            result[where] = segment.rows[within]
        return result

    def append(self, keys: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Writes ``rows``, uint8 ``[n, row_bytes]``, under ``keys``, uint8 ``[n, 16]``; returns their numbers, int64.

        They can be found and read at once here, and by other processes when they are finished.

        Raises:
            DataError: the disk is full or not writable. Finished segments stay; the rows of the unfinished one are
                no longer found.
        """
        keys, rows = _as_bytes(keys, KEY_BYTES), _as_bytes(rows, self.row_bytes)
        if len(keys) != len(rows):
            raise ValueError(f"{len(keys)} keys for {len(rows)} rows")
        if not len(rows):
            return np.empty(0, np.int64)
        with self._changing:
            first = end_of(self._segments)
            with self._abandoned_on_failure():
                writer = self._writer or self._begin()
                writer.append(_flat(keys), _flat(rows))
                mapped = map_rows(writer.descriptor, writer.rows, self.row_bytes)
            working = self._segments[-1]  # segments of others are opened only while there is none
            self._segments = (*self._segments[:-1], MappedSegment(working.start, mapped, writer.keys))
            numbers = np.arange(first, first + len(rows))
            self._index.add(keys, numbers)
            return numbers

    @property
    def unfinished_seconds(self) -> float:
        """How long ago the first of the rows was appended that are not finished; 0 if all are."""
        return time.monotonic() - self._writing_since if self._writer else 0.0

    def finish(self) -> None:
        """Gives the rows appended since the last time their place on disk. All row numbers stay as they are.

        What this process has used so far counts as used now. Small segments are merged if there are too many.

        Raises:
            DataError: as ``append``.
        """
        with self._changing:
            writer = self._writer
            if writer is not None:
                with self._abandoned_on_failure():
                    file = writer.finish()
                self._writer = None
                writer.close()
                working = self._segments[-1]
                self._known.add(file.name)
                self._segments = (*self._segments[:-1], MappedSegment(
                    working.start, working.rows, bytes(working.keys), file, writer.footer, used=True))
                self._merge()
            self._mark_used()

    def refresh(self) -> bool:
        """Sees what other processes have finished; whether there was anything new.

        Nothing is seen while rows are appended and not finished.
        """
        with self._changing, contextlib.suppress(OSError):
            return self._writer is None and self._open_new()
        return False

    def close(self) -> None:
        """Removes what was appended and not finished. Nothing may be called afterwards."""
        with self._changing:
            self._abandon()
            self._mark_used()
            self._segments, self._index = (), KeyIndex()

    def _open_new(self) -> bool:
        new = [file for file in segment_files(self.path) if file.name not in self._known]
        for file in new:
            self._known.add(file.name)
            self._open(file)
        return bool(new)

    def _mark_used(self) -> None:
        for file in {segment.file for segment in self._segments if segment.used and segment.file}:
            mark_used(file)

    def _merge(self) -> None:
        if self._merges:
            try:
                merged = merge_small(self.path, self.row_bytes, self._segments, self._remove)
                self._known.update(file.name for file in merged)
            except FileNotFoundError:  # another process has just removed one of them
                pass
            except OSError:  # no room for both the old and the new
                self._merges = False

    def _open(self, file: Path) -> None:
        try:
            with file.open("rb") as stream:
                footer = read_footer(stream)
                if footer.row_bytes != self.row_bytes:
                    raise DamagedSegment(f"its rows have {footer.row_bytes} bytes, expected {self.row_bytes}")
                rows = map_rows(stream.fileno(), footer.rows, self.row_bytes)
        except FileNotFoundError:  # another process has just removed it
            return
        except OSError as problem:
            self.damaged.append(f"{file} can't be read ({problem.strerror or problem}) and was passed over.")
            return
        except DamagedSegment as problem:
            self._delete(file, str(problem))
            return
        segment = MappedSegment(end_of(self._segments), rows, footer.keys, file, footer)
        self._segments += (segment,)
        self._index.add(segment.key_array(), segment.numbers())

    def _begin(self) -> SegmentWriter:
        self._writer = self._again_if_removed(self._new_writer)
        self._writing_since = time.monotonic()
        nothing = np.empty((0, self.row_bytes), np.uint8)
        self._segments += (MappedSegment(end_of(self._segments), nothing, b""),)
        return self._writer

    def _new_writer(self) -> SegmentWriter:
        self._make_folder()  # it may have been cleared away since
        return SegmentWriter(self.path, self.row_bytes)

    def _again_if_removed(self, do: Callable[[], Any]) -> Any:
        """Another process that makes room removes folders without segments: before our first one has its name, too."""
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                return do()
        return do()

    def _make_folder(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        about = self.path / ABOUT_FILE
        with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
            if about.read_text(encoding="utf-8") == self._about:
                return
        try:
            atomic_write_text(about, self._about)
        except RunError as problem:  # its advice is about run directories
            raise problem.__cause__ or problem

    @contextlib.contextmanager
    def _abandoned_on_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            self._abandon()
            raise self._not_usable(problem) from problem

    def _abandon(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._segments[-1].usable = False
            self._index_again()

    def _remove(self, segment: MappedSegment) -> None:
        # Its map stays: another thread may be reading rows of its whole blocks.
        segment.usable = False
        self._index_again()
        if segment.file is not None:
            self._delete(segment.file, "a block of its rows has another sha256 than when it was written")

    def _index_again(self) -> None:
        index = KeyIndex()
        for segment in self._segments:
            if segment.usable:
                index.add(segment.key_array(), segment.numbers())
        self._index = index

    def _delete(self, file: Path, why: str) -> None:
        self.damaged.append(f"{file} was damaged ({why}): its rows are computed again.")
        with contextlib.suppress(OSError):  # in a folder that can't be written it is passed over again next time
            file.unlink()

    def _not_usable(self, problem: OSError) -> DataError:
        return DataError(f"Expected to keep computed rows in {self.path}, but: {problem.strerror or problem}. What was "
                         "kept before is intact. Make room (`tfpt cache clear`), set TFPT_CACHE to another folder, or "
                         "begin a run that keeps nothing on disk, with --cache memory or --cache off.")


def _as_bytes(array: np.ndarray, width: int) -> np.ndarray:
    if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] != width:
        raise ValueError(f"expected uint8 [n, {width}], found {array.dtype} {list(array.shape)}")
    return np.ascontiguousarray(array)


def _flat(array: np.ndarray) -> memoryview:
    return array.data.cast("B")
