"""One image file: read, hashed, its header looked at, converted where the graph would decode other pixels."""

import errno
import hashlib
import os
import stat
import time
from dataclasses import dataclass, replace
from pathlib import Path

from tfpt.data.cache_directory import mark_used
from tfpt.data.decode_files import decode_files
from tfpt.data.header import BrokenImage, graph_reads, open_header
from tfpt.data.known_files import KnownFiles
from tfpt.data.normalise import normalised_path, normalised_png

_MAX_FILE_BYTES = 1 << 30


@dataclass(frozen=True)
class CheckedFile:
    """A file that can be used, as far as its header tells, or why it can't.

    ``path`` is what the decoder is to read: ``original``, or the PNG that was made from it. ``is_known``: an earlier
    run has decoded it.
    """

    original: str
    path: str = ""
    content_hash: str = ""
    broken_because: str | None = None
    is_known: bool = False
    status: os.stat_result | None = None
    looked_at: float = 0.0
    known_files: KnownFiles | None = None

    def remember(self) -> None:
        """It was decoded: later runs need not."""
        if self.known_files is not None and self.status is not None:
            self.known_files.remember(self.original, self.status, self.looked_at, self.content_hash,
                                      self.path != self.original)


def check_file(path: str, known: KnownFiles) -> CheckedFile:
    """Look at one file. Raises DataError: the cache of converted images can't be written."""
    try:
        looked_at, status = time.time(), _status(path)
        found = known.find(path, status)
        if found is not None:
            content_hash, is_converted = found
            if not is_converted:
                return CheckedFile(path, path, content_hash, is_known=True)
            prepared = normalised_path(content_hash)
            if prepared.exists():  # it is decoded again: the cache, unlike the user's data, may have been damaged
                mark_used(prepared)
                return CheckedFile(path, str(prepared), content_hash)
        contents = _read(path)
        content_hash = hashlib.sha256(contents).hexdigest()
        image = open_header(contents)
        if graph_reads(contents, image):
            return CheckedFile(path, path, content_hash, None, False, status, looked_at, known)
        # The converted file may be there from an earlier run; if it is damaged it is made again.
        prepared = normalised_path(content_hash)
        if prepared.exists():
            mark_used(prepared)  # `tfpt cache clear` leaves what a run of today may still be reading
        else:
            normalised_png(image, content_hash)
        return CheckedFile(path, str(prepared), content_hash, None, False, status, looked_at, known)
    except BrokenImage as broken:
        return CheckedFile(path, broken_because=str(broken))


def converted_again(file: CheckedFile) -> CheckedFile:
    """``file``, which could not be decoded: broken, unless it was its converted PNG that was damaged."""
    try:
        if file.path != file.original:
            contents = _read(file.original)
            normalised_png(open_header(contents), file.content_hash)
            if decode_files([file.path], None)[0][0]:
                return file
        raise BrokenImage("truncated or damaged: its pixels can't be decoded")
    except BrokenImage as broken:
        return replace(file, broken_because=str(broken))


def _status(path: str) -> os.stat_result:
    try:
        status = os.stat(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BrokenImage("a link that leads back to itself") from error
        missing_target = os.path.islink(path) and not os.path.exists(path)
        why = "a link to a file that isn't there" if missing_target else f"can't be read: {error.strerror or error}"
        raise BrokenImage(why) from error
    if not stat.S_ISREG(status.st_mode):
        raise BrokenImage("not a regular file")
    if status.st_size > _MAX_FILE_BYTES:
        raise BrokenImage("larger than 1 GiB")
    return status


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BrokenImage(f"can't be read: {error.strerror or error}") from error
