"""Segments as a row folder holds them: mapped into memory, each with the numbers of its rows."""

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfpt.data.row_segments import KEY_BYTES, Footer


@dataclass(eq=False)
class MappedSegment:
    """Rows ``start`` to ``start + len(rows)``; ``file`` and ``footer`` are None while they are being written.

    When segments are merged, ``rows`` and ``file`` become those of the new file, with the same bytes; so readers need
    no lock. ``used``: whether this process has taken rows from it or wrote it.
    """

    start: int
    rows: np.ndarray
    keys: bytes | bytearray
    file: Path | None = None
    footer: Footer | None = None
    usable: bool = True
    used: bool = False

    def __post_init__(self) -> None:
        self._whole = np.zeros(self.footer.blocks if self.footer else 0, bool)

    def numbers(self) -> np.ndarray:
        """int64 ``[n]``."""
        return np.arange(self.start, self.start + len(self.rows))

    def key_array(self) -> np.ndarray:
        """uint8 ``[n, KEY_BYTES]``."""
        # A copy: a bytearray with a view of it can't grow.
        return np.frombuffer(bytes(self.keys), np.uint8).reshape(-1, KEY_BYTES)

    def is_whole(self, within: np.ndarray) -> bool:
        """Whether the blocks that hold these rows, counted from ``start``, are as they were written."""
        if self.footer is None:
            return True
        flat, blocks = self.rows.reshape(-1), np.unique(within // self.footer.rows_per_block)
        for block in blocks[~self._whole[blocks]].tolist():
            if not self.footer.is_whole(block, flat[self.footer.span(block)].data):
                return False
            self._whole[block] = True
        return True


def by_segment(segments: Sequence[MappedSegment],
               rows: np.ndarray) -> Iterator[tuple[MappedSegment, np.ndarray, np.ndarray]]:
    """Each segment that holds some of ``rows``, their places in ``rows``, and their places in the segment."""
    rows = np.asarray(rows, np.int64)
    owners = np.searchsorted(np.array([segment.start for segment in segments], np.int64), rows, side="right") - 1
    owners[rows >= end_of(segments)] = -1
    for owner in np.unique(owners[owners >= 0]).tolist():
        where = np.flatnonzero(owners == owner)
        yield segments[owner], where, rows[where] - segments[owner].start


def end_of(segments: Sequence[MappedSegment]) -> int:
    """The number that the next row will have."""
    return segments[-1].start + len(segments[-1].rows) if segments else 0


def map_rows(descriptor: int, rows: int, row_bytes: int) -> np.ndarray:
    """uint8 ``[rows, row_bytes]``, the file's first bytes; it outlives the descriptor and the file's name."""
    mapped = mmap.mmap(descriptor, rows * row_bytes, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, np.uint8).reshape(rows, row_bytes)
