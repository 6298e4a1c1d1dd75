"""One image file: read, hashed, its header looked at, converted where the graph would decode other pixels, decoded.

This runs in a process of its own (``image_worker.py``), which has no TensorFlow in Python.
"""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tfpt.data.cache_directory import mark_used
from tfpt.data.header import BrokenImage, graph_reads, open_header
from tfpt.data.normalise import normalised_path, normalised_png


@dataclass(frozen=True)
class FileRequest:
    """``known_hash``: of the contents, if an earlier run has found them good; ``converted``: by way of a PNG;
    ``contents``: those of an image that isn't a file of its own.
    """

    path: str
    known_hash: str = ""
    converted: bool = False
    contents: bytes | None = None


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that can be used, or why it can't. ``converted``: by way of the PNG that was made from it."""

    content_hash: str = ""
    converted: bool = False
    broken_because: str | None = None


Decoder = Callable[[bytes], bytes]
"""From a file's bytes to those of its pixels. Raises BrokenImage."""

FileChecker = Callable[[FileRequest], tuple[CheckedFile, bytes]]
"""A file, and its pixels, if it is whole. Raises DataError: the cache of converted images can't be written."""


def file_checker(decode: Decoder) -> FileChecker:
    """Checks files, and decodes them by ``decode``."""
    def check(request: FileRequest) -> tuple[CheckedFile, bytes]:
        try:
            if request.known_hash:
                with contextlib.suppress(BrokenImage):  # looked at like a new one then, which tells why
                    return _known(request, decode)
            return _new(request, decode)
        except BrokenImage as broken:
            return CheckedFile(broken_because=str(broken)), b""

    return check


def _known(request: FileRequest, decode: Decoder) -> tuple[CheckedFile, bytes]:
    prepared = normalised_path(request.known_hash)
    pixels = decode(_read(prepared) if request.converted else _contents(request))
    if request.converted:
        mark_used(prepared)  # `tfpt cache clear` leaves what a run of today may still be reading
    return CheckedFile(request.known_hash, request.converted), pixels


def _new(request: FileRequest, decode: Decoder) -> tuple[CheckedFile, bytes]:
    contents = _contents(request)
    content_hash = hashlib.sha256(contents).hexdigest()
    image = open_header(contents)
    if graph_reads(contents, image):
        return CheckedFile(content_hash), decode(contents)
    # The converted file may be there from an earlier run; if it is damaged it is made again.
    earlier = FileRequest(request.path, content_hash, converted=True)
    if normalised_path(content_hash).exists():
        with contextlib.suppress(BrokenImage):
            return _known(earlier, decode)
    normalised_png(image, content_hash)
    return _known(earlier, decode)


def _contents(request: FileRequest) -> bytes:
    return _read(Path(request.path)) if request.contents is None else request.contents


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BrokenImage(f"can't be read: {error.strerror or error}") from error
