"""idx files, the format of MNIST: ``*-images-idx3-ubyte`` with ``*-labels-idx1-ubyte``, each perhaps ``.gz``."""

import gzip
import os
import re
import struct
import zlib
from typing import IO

import numpy as np

from tfpt.data.header import MAX_PIXELS
from tfpt.data.listing import ALL, ListedImages, Listing, printable, title_of
from tfpt.data.natural_sort import natural_sort
from tfpt.errors import DataError

_IMAGES_NAME = re.compile(r"(?P<prefix>.+)-images(?P<dash>[-.])idx3-ubyte(?P<gz>\.gz)?")
_PARTS = {"train": "train", "validation": "validation", "val": "validation", "test": "test", "t10k": "test"}
_IMAGES_MAGIC, _LABELS_MAGIC = 0x00000803, 0x00000801
_PIECE_BYTES = 1 << 24


def is_idx_images(path: str) -> bool:
    """Whether the name is that of an idx images file."""
    return _IMAGES_NAME.fullmatch(os.path.basename(path)) is not None


def holds_idx(folder: str) -> bool:
    """Whether a folder has an idx images file directly in it."""
    return any(is_idx_images(name) for name in os.listdir(folder))


def read_idx_folder(folder: str) -> Listing:
    """Read the idx files of a folder: ``train-…`` and ``t10k-…`` (or ``test-…``) are its own split.

    Raises:
        DataError: a labels file is missing, counts differ, a header is wrong, or the files' names give no parts.
    """
    found: dict[str, str] = {}
    for name in sorted(os.listdir(folder), reverse=True):  # the plain file after its .gz, and so instead of it
        match = _IMAGES_NAME.fullmatch(name)
        if match:
            found[match["prefix"]] = os.path.join(folder, name)
    title = title_of(folder)
    if len(found) == 1:
        return _listing(title, {ALL: _read_pair(*found.values())})
    parts = {_PARTS.get(prefix, prefix): path for prefix, path in found.items()}
    if len(parts) != len(found) or "train" not in parts or not set(parts) <= set(_PARTS.values()):
        raise DataError(f"{title} holds the idx images {', '.join(natural_sort(found))}; train and t10k (or test), and "
                        "perhaps validation, once each, were expected. Pass one images file's path to take that one.")
    return _listing(title, {part: _read_pair(path) for part, path in parts.items()})


def read_idx_file(images_path: str) -> Listing:
    """Read one idx images file with the labels file beside it. Raises DataError as ``read_idx_folder`` does."""
    return _listing(printable(images_path), {ALL: _read_pair(images_path)})


def _listing(title: str, pairs: dict[str, tuple[str, np.ndarray, np.ndarray]]) -> Listing:
    present = np.unique(np.concatenate([labels for _, _, labels in pairs.values()]))
    parts = {part: ListedImages(names=tuple(f"{prefix}-images[{i}]" for i in range(len(labels))),
                                labels=np.searchsorted(present, labels).astype(np.int32), pixels=pixels)
             for part, (prefix, pixels, labels) in pairs.items()}
    return Listing(title, tuple(str(label) for label in present), parts)


def _read_pair(images_path: str) -> tuple[str, np.ndarray, np.ndarray]:
    """(prefix, pixels uint8 ``[n, height, width, 1]``, labels uint8 ``[n]``)."""
    labels_path = _labels_beside(images_path)
    count, pixels = _read_images(images_path)
    label_count, labels = _read_labels(labels_path)
    if count != label_count:
        raise DataError(f"{printable(images_path)} has {count:,} images and {printable(labels_path)} has "
                        f"{label_count:,} labels; as many of each were expected. Fetch both files again.")
    match = _IMAGES_NAME.fullmatch(os.path.basename(images_path))
    assert match is not None
    return printable(match["prefix"]), pixels, labels


def _labels_beside(images_path: str) -> str:
    folder, name = os.path.split(images_path)
    match = _IMAGES_NAME.fullmatch(name)
    assert match is not None
    stems = [f"{match['prefix']}-labels{dash}idx1-ubyte" for dash in (match["dash"], "-", ".")]
    for stem in stems:
        for candidate in (stem + (match["gz"] or ""), stem, stem + ".gz"):
            if os.path.isfile(os.path.join(folder, candidate)):
                return os.path.join(folder, candidate)
    raise DataError(f"{printable(images_path)} has no labels: {stems[0]} (or {stems[0]}.gz) was expected beside it.")


def _read_images(path: str) -> tuple[int, np.ndarray]:
    with _Reader(path) as reader:
        count, height, width = reader.header(_IMAGES_MAGIC, 3, "images (idx3, unsigned bytes)")
        if not 0 < height * width <= MAX_PIXELS or not count:
            raise DataError(f"the header of {printable(path)} announces {count:,} of {height} x {width} pixels; at "
                            f"least one, of 1 to {MAX_PIXELS:,} pixels, was expected. Fetch the file again.")
        return count, reader.body(count * height * width).reshape(count, height, width, 1)


def _read_labels(path: str) -> tuple[int, np.ndarray]:
    with _Reader(path) as reader:
        (count,) = reader.header(_LABELS_MAGIC, 1, "labels (idx1, unsigned bytes)")
        return count, reader.body(count)


class _Reader:
    """Reads one idx file, plain or gzipped, and words what is wrong with it."""

    def __init__(self, path: str):
        self._path = path
        self._stream: IO[bytes] = gzip.open(path) if path.endswith(".gz") else open(path, "rb")  # type: ignore

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stream.close()

    def header(self, magic: int, dimensions: int, kind: str) -> tuple[int, ...]:
        """The big-endian sizes after the magic number."""
        length = 4 * (1 + dimensions)
        found = self._read(length)
        if len(found) < length or struct.unpack(">I", found[:4])[0] != magic:
            raise DataError(f"{printable(self._path)} doesn't begin as idx {kind} does: bytes {magic:08x} were "
                            f"expected, found {found[:4].hex() or 'nothing'}. Check that the right file has this name.")
        return struct.unpack(f">{dimensions}I", found[4:])

    def body(self, length: int) -> np.ndarray:
        """uint8 ``[length]``. One byte more is asked for, so a file that is too long shows, however long it is."""
        found = self._read(length + 1)
        if len(found) != length:
            size = "more" if len(found) > length else f"{len(found):,}"
            raise DataError(f"the header of {printable(self._path)} announces {length:,} bytes, and {size} follow. "
                            "The file is truncated or damaged; fetch it again.")
        return np.frombuffer(found, dtype=np.uint8)

    def _read(self, length: int) -> bytearray:
        """Up to ``length`` bytes, in pieces: a header that lies must not make us reserve what it says."""
        found = bytearray()
        try:
            while len(found) < length:
                piece = self._stream.read(min(length - len(found), _PIECE_BYTES))
                if not piece:
                    break
                found += piece
            return found
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{printable(self._path)} is not a whole gzip file: {error}. Fetch it again.") from error
