"""Segment files of a row folder: rows of a fixed length first, then a footer that tells whether all of it is whole.

Layout, integers little-endian::

    rows     row_bytes each, from offset 0, so that they can be mapped into memory
    footer   format, row_bytes, rows, rows_per_block · a key per row · a sha256 per block of rows · sha256 of all that
    trailer  length of the footer, magic

A segment is written beside, as ``.<name>.rows.<pid>.tmp``, and renamed into place when its footer is written; after
that its contents never change. Its time of modification is that of its last use.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import struct
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

ABOUT_FILE = "about.json"
"""Beside the segments: what the rows are; its time of modification is that of the last opening of the folder."""
KEY_BYTES = 16
FORMAT = 1
SECONDS_UNTIL_STALE = 86_400
_BLOCK_BYTES = 2**20
_DIGEST_BYTES = 32
_HEAD, _TRAILER = struct.Struct("<QQQQ"), struct.Struct("<Q8s")
_MAGIC = b"tfptrows"
_SEGMENT_NAME = re.compile(r"[0-9a-f]{32}\.rows")
_UNFINISHED_NAME = re.compile(r"\.[0-9a-f]{32}\.rows\.[0-9]+\.tmp")


class DamagedSegment(ValueError):
    """The file is no whole segment; the message says what was found."""


@dataclass(frozen=True)
class Footer:
    """What a segment says of itself: sizes, ``keys`` (``KEY_BYTES`` per row), ``digests`` (a sha256 per block)."""

    row_bytes: int
    rows: int
    rows_per_block: int
    keys: bytes = b""
    digests: bytes = b""

    @property
    def blocks(self) -> int:
        return -(-self.rows // self.rows_per_block)

    def span(self, block: int) -> slice:
        """The block's bytes in the file."""
        block_bytes = self.rows_per_block * self.row_bytes
        return slice(block * block_bytes, min((block + 1) * block_bytes, self.rows * self.row_bytes))

    def is_whole(self, block: int, content: memoryview | bytes) -> bool:
        """Whether ``content`` has the sha256 that the block had when it was written."""
        expected = self.digests[block * _DIGEST_BYTES:(block + 1) * _DIGEST_BYTES]
        return hashlib.sha256(content).digest() == expected


def segment_files(folder: Path) -> list[Path]:
    """The finished segments in ``folder``, by name; none if there is no such folder."""
    return named_files(folder, _SEGMENT_NAME)


def unfinished_files(folder: Path) -> list[Path]:
    """Segments being written, or left by processes that were killed."""
    return named_files(folder, _UNFINISHED_NAME)


def named_files(folder: Path, name: re.Pattern[str]) -> list[Path]:
    """What is called so in ``folder``, in order; none if there is no such folder."""
    try:
        return sorted(path for path in folder.iterdir() if name.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_head(file: BinaryIO) -> Footer:
    """The sizes alone, of a file as long as they say; ``keys`` and ``digests`` are left empty.

    Raises:
        DamagedSegment: it isn't.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TRAILER.size))
    trailer = file.read(_TRAILER.size)
    if len(trailer) < _TRAILER.size or not trailer.endswith(_MAGIC):
        raise DamagedSegment(f"its {size} bytes don't end as a segment does")
    length, _ = _TRAILER.unpack(trailer)
    start = size - _TRAILER.size - length
    if start < 0 or length < _HEAD.size:
        raise DamagedSegment(f"a footer of {length} bytes doesn't fit into its {size} bytes")
    file.seek(start)
    version, row_bytes, rows, rows_per_block = _HEAD.unpack(file.read(_HEAD.size))
    if version != FORMAT:
        raise DamagedSegment(f"its format is {version}, this tfpt reads {FORMAT}")
    head = Footer(row_bytes, rows, max(1, rows_per_block))
    if not rows_per_block or not rows or start != rows * row_bytes or length != _footer_bytes(head):
        raise DamagedSegment(f"{rows} rows of {row_bytes} bytes and their footer don't make {size} bytes")
    return head


def read_footer(file: BinaryIO) -> Footer:
    """The whole footer, its checksum compared. The rows are not looked at.

    Raises:
        DamagedSegment: it differs from what was written.
    """
    head = read_head(file)
    file.seek(head.rows * head.row_bytes)
    content = file.read(_footer_bytes(head))
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise DamagedSegment("its footer has another sha256 than when it was written")
    keys_end = _HEAD.size + head.rows * KEY_BYTES
    return Footer(head.row_bytes, head.rows, head.rows_per_block, body[_HEAD.size:keys_end], body[keys_end:])


def check_segment(path: Path) -> None:
    """Compares every checksum of the file.

    Raises:
        DamagedSegment: one of them differs.
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        footer = read_footer(file)
        file.seek(0)
        for block in range(footer.blocks):
            span = footer.span(block)
            if not footer.is_whole(block, file.read(span.stop - span.start)):
                raise DamagedSegment(f"block {block} of its rows has another sha256 than when it was written")


def remove_stale(folder: Path) -> None:
    """Removes what killed processes left of unfinished segments; those being written stay."""
    for path in unfinished_files(folder):
        with contextlib.suppress(OSError), path.open("rb") as file:
            try:
                # A writer holds the lock until its process ends, however it ends: unlike its PID, which says nothing
                # to a process in another container.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError:  # a file system without locks
                if time.time() - path.stat().st_mtime < SECONDS_UNTIL_STALE:
                    continue
            path.unlink()


class SegmentWriter:
    """Writes one segment under ``folder``. Not for several threads at once; every method may raise OSError."""

    def __init__(self, folder: Path, row_bytes: int):
        self.row_bytes, self.rows = row_bytes, 0
        self.footer: Footer | None = None
        """What was written, when it is finished."""
        self.rows_per_block = max(1, _BLOCK_BYTES // row_bytes)
        self.keys = bytearray()
        self._digests = bytearray()
        self._hash, self._hashed_bytes = hashlib.sha256(), 0
        self._path = folder / f"{uuid.uuid4().hex}.rows"
        self._beside = folder / f".{self._path.name}.{os.getpid()}.tmp"
        self.descriptor = _create_locked(self._beside)

    def append(self, keys: memoryview, rows: memoryview) -> None:
        """``keys``: bytes, ``KEY_BYTES`` per row; ``rows``: bytes, ``row_bytes`` per row, at least one."""
        _write_all(self.descriptor, rows)
        self._add_to_digests(rows)
        self.keys += keys
        self.rows += len(rows) // self.row_bytes

    def finish(self) -> Path:
        """Writes the footer and gives the file its name. It stays open until ``close``, but is no longer locked.

        Rows and footer are not synced to the disk: a sync of gigabytes would hold up the training, and what a loss of
        power takes away is found by its checksums and computed again.
        """
        if self._hashed_bytes:
            self._digests += self._hash.digest()
        self.footer = Footer(self.row_bytes, self.rows, self.rows_per_block, bytes(self.keys), bytes(self._digests))
        footer = _HEAD.pack(FORMAT, self.row_bytes, self.rows, self.rows_per_block) + self.keys + self._digests
        footer += hashlib.sha256(footer).digest()
        _write_all(self.descriptor, memoryview(footer + _TRAILER.pack(len(footer), _MAGIC)))
        # Another process may have cleared the cache: what was written is then still there for us, but not kept.
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._beside, self._path)
        with contextlib.suppress(OSError):  # maps of the file share the lock, and would hold it
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        return self._path

    def close(self) -> None:
        """Ends the writing; what was not finished is removed."""
        with contextlib.suppress(OSError):
            self._beside.unlink()
        os.close(self.descriptor)

    def _add_to_digests(self, rows: memoryview) -> None:
        block_bytes = self.rows_per_block * self.row_bytes
        while rows:
            piece = rows[:block_bytes - self._hashed_bytes]
            self._hash.update(piece)
            self._hashed_bytes += len(piece)
            if self._hashed_bytes == block_bytes:
                self._digests += self._hash.digest()
                self._hash, self._hashed_bytes = hashlib.sha256(), 0
            rows = rows[len(piece):]


def _footer_bytes(head: Footer) -> int:
    return _HEAD.size + head.rows * KEY_BYTES + (head.blocks + 1) * _DIGEST_BYTES


def _create_locked(path: Path) -> int:
    """Descriptor of a new, empty file, locked for as long as it is open."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        with contextlib.suppress(OSError):  # a file system without locks: see remove_stale
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # someone's remove_stale came between the two calls


def _write_all(descriptor: int, content: memoryview) -> None:
    while content:
        content = content[os.write(descriptor, content):]
