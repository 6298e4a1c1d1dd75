"""What stands at ``--data`` before any image is decoded: names, labels and parts."""

import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tfpt.data.natural_sort import natural_sort
from tfpt.errors import DataError
from tfpt.task import LeftOut

if TYPE_CHECKING:
    from tfpt.data.tfds.record_images import RecordImages

# A part's code is its position here; the other two codes stand for no part yet, and for not used.
PARTS = ("train", "validation", "test")
UNASSIGNED, DROPPED = -1, -2
# The one part of data that has no split of its own.
ALL = "all"
IMAGE_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
EXTENSIONS_TEXT = "files ending in jpg, jpeg, png, bmp, gif, webp, tif or tiff"
# Line breaks and what steers a terminal. A surrogate that stands for no byte can't be written anywhere.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONE_SURROGATE = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")


@dataclass(frozen=True, eq=False)
class ListedImages:
    """Images in one part, not checked yet: ``paths`` of files, ``pixels`` uint8 ``[n, height, width, 1]``, or
    ``records`` of a data set of TensorFlow Datasets.

    ``labels`` are int32 ``[n]`` into the listing's class names, -1 where unknown.
    """

    names: tuple[str, ...]
    labels: np.ndarray
    paths: tuple[str, ...] | None = None
    pixels: np.ndarray | None = None
    records: "RecordImages | None" = None

    def __len__(self) -> int:
        return len(self.names)

    def relabelled(self, labels: np.ndarray) -> "ListedImages":
        """The same images with other labels."""
        return replace(self, labels=labels)

    def subset(self, chosen: np.ndarray) -> "ListedImages":
        """The images at the places ``chosen``, in that order."""
        return ListedImages(names=tuple(self.names[i] for i in chosen), labels=self.labels[chosen],
                            paths=None if self.paths is None else tuple(self.paths[i] for i in chosen),
                            pixels=None if self.pixels is None else self.pixels[chosen],
                            records=None if self.records is None else self.records.subset(chosen))


@dataclass(frozen=True, eq=False)
class Listing:
    """A data set as it was found.

    Attributes:
        title: what the plan calls it, such as ``photos/``.
        class_names: in natural order.
        parts: ``{"all": …}``, or the user's own split: ``train`` and perhaps ``validation`` and ``test``.
        left_out: what stands there but belongs to no class.
        note: what else the user has to know of how it was read.
    """

    title: str
    class_names: tuple[str, ...]
    parts: Mapping[str, ListedImages]
    left_out: tuple[LeftOut, ...] = ()
    note: str = ""


def listed_files(files: Sequence[tuple[str, str]], class_names: Sequence[str]) -> ListedImages:
    """Files as (path, class name), the class being one of ``class_names``."""
    index = {name: i for i, name in enumerate(class_names)}
    paths = tuple(path for path, _ in files)
    labels = np.array([index[class_name] for _, class_name in files], dtype=np.int32)
    return ListedImages(tuple(map(printable, paths)), labels, paths=paths)


def merge_parts(listing: Listing) -> tuple[ListedImages, np.ndarray]:
    """All images of a listing in one, and the part's code of each, int8 ``[n]``; UNASSIGNED without a split of its own.

    Raises:
        DataError: the parts' pixels differ in size.
    """
    codes = [UNASSIGNED if part == ALL else PARTS.index(part) for part in listing.parts]
    pieces = list(listing.parts.values())
    shapes = {piece.pixels.shape[1:3] for piece in pieces if piece.pixels is not None}
    if len(shapes) > 1:
        sizes = " and ".join(f"{height} x {width}" for height, width in sorted(shapes))
        raise DataError(f"the parts of {listing.title} hold images of {sizes} pixels; one size was expected. "
                        "Check that the files belong together.")
    records = pieces[0].records
    merged = ListedImages(
        names=tuple(name for piece in pieces for name in piece.names),
        labels=np.concatenate([piece.labels for piece in pieces]),
        paths=None if pieces[0].paths is None else tuple(path for piece in pieces for path in piece.paths or ()),
        pixels=np.concatenate([piece.pixels for piece in pieces if piece.pixels is not None]) if shapes else None,
        records=None if records is None else records.joined([piece.records for piece in pieces[1:] if piece.records]))
    return merged, np.repeat(np.array(codes, dtype=np.int8), [len(piece) for piece in pieces])


def images_below(folder: str) -> list[str]:
    """All image files in a folder and its subfolders, in natural order; each real folder is visited once.

    Hidden files, and files without an image's extension, are passed over. Links are followed, but not to a folder in
    which ``folder`` itself stands: its other images are not of this one. A link whose file is missing is listed (the
    check then reports it). Raises OSError: a folder can't be read.
    """
    found: list[str] = []
    seen = {_identity(above) for path in (os.path.abspath(folder), os.path.realpath(folder)) for above in _above(path)}
    pending = [folder]
    while pending:
        current = pending.pop()
        identity = _identity(current)
        if identity in seen:
            continue
        seen.add(identity)
        found.extend(image_files_in(current))
        pending.extend(os.path.join(current, name) for name in subfolders_of(current))
    return natural_sort(found)


def image_files_in(folder: str) -> list[str]:
    """The image files directly in a folder, in natural order."""
    with os.scandir(folder) as entries:
        return natural_sort(entry.path for entry in entries if _is_image_file(entry))


def subfolders_of(folder: str) -> list[str]:
    """The names of a folder's visible subfolders, in natural order."""
    with os.scandir(folder) as entries:
        return natural_sort(entry.name for entry in entries if not _is_hidden(entry.name) and _leads_to(entry.is_dir))


@contextmanager
def unreadable_told(path: str) -> Iterator[None]:
    """Makes an OSError of the file system a DataError that names the file, or ``path`` if it names none."""
    try:
        yield
    except OSError as error:
        where = printable(os.fspath(error.filename or path))
        raise DataError(f"{where} can't be read: {error.strerror or error}. Check its permissions.") from error


def title_of(folder: str) -> str:
    """``photos/`` for a folder below the working directory, however it was named; others as they were."""
    relative = os.path.relpath(folder)
    return printable((folder if relative.startswith((".", "..")) else relative).rstrip("/")) + "/"


def printable(path: str) -> str:
    """The path as one line of text that any stream and JSON can carry, whatever bytes the file system allowed in it.

    What can't be decoded, control characters and line breaks are written as escapes.
    """
    text = _LONE_SURROGATE.sub(_escaped, path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return _CONTROL.sub(_escaped, text)


def holds_control_characters(text: str) -> bool:
    """Whether ``text`` breaks lines, or holds what steers a terminal."""
    return _CONTROL.search(text) is not None


def _escaped(found: "re.Match[str]") -> str:
    return ascii(found[0])[1:-1]


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _above(path: str) -> Iterator[str]:
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent


def _is_image_file(entry: "os.DirEntry[str]") -> bool:
    if _is_hidden(entry.name) or os.path.splitext(entry.name)[1].lower() not in IMAGE_EXTENSIONS:
        return False
    return _leads_to(entry.is_file) or (entry.is_symlink() and not os.path.exists(entry.path))


def _leads_to(kind: Callable[[], bool]) -> bool:
    """``entry.is_dir()`` or ``entry.is_file()``; of a link that leads back to itself False, as of one to nowhere."""
    try:
        return kind()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False


def _is_hidden(name: str) -> bool:
    # macOS writes its archives' side files into a visible folder.
    return name.startswith(".") or name == "__MACOSX"
