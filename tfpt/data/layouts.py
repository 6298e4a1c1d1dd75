"""What ``--data`` may be, told apart: this module finds the layout, one module per layout reads it."""

import difflib
import os

from tfpt.config.image_classification import BUNDLED_DIGITS
from tfpt.data.csv_layout import read_csv
from tfpt.data.digits import read_digits
from tfpt.data.folder_layout import read_folder
from tfpt.data.idx import holds_idx, is_idx_images, read_idx_file, read_idx_folder
from tfpt.data.listing import IMAGE_EXTENSIONS, Listing, printable, unreadable_told
from tfpt.data.tfds.layout import read_tfds
from tfpt.data.tfds.reference import is_reference
from tfpt.errors import DataError

DATA_TAKES = ("--data takes a folder with one folder per class, a folder with train/ and test/ of those, "
              f"a CSV with path,label, idx files (*-images-idx3-ubyte[.gz]), tfds:NAME, or {BUNDLED_DIGITS}.")


def read_layout(path: str, data_dir: str | None = None) -> Listing:
    """List the images at ``path`` with their classes; nothing is decoded.

    ``data_dir``: where data sets of TensorFlow Datasets were prepared.

    Raises:
        DataError: there is no such path, it can't be read, or it is none of the layouts.
    """
    if path == BUNDLED_DIGITS:
        return read_digits()
    if is_reference(path):
        return read_tfds(path, data_dir)
    if path.startswith("bundled:"):
        raise DataError(f"no bundled data set {path!r}, the only one is {BUNDLED_DIGITS}. {DATA_TAKES}")
    expanded = os.path.expanduser(path)
    if not os.path.exists(expanded):
        raise DataError(f"{no_such_path(path)} {DATA_TAKES}")
    with unreadable_told(path):
        return _read_existing(expanded)


def _read_existing(path: str) -> Listing:
    if os.path.isdir(path):
        return read_idx_folder(path) if holds_idx(path) else read_folder(path)
    if not os.path.isfile(path):
        raise DataError(f"{printable(path)} is neither a folder nor a file. {DATA_TAKES}")
    if path.lower().endswith(".csv"):
        return read_csv(path)
    if is_idx_images(path):
        return read_idx_file(path)
    if os.path.splitext(path)[1].lower() in IMAGE_EXTENSIONS:
        raise DataError(f"{printable(path)} is one image, a data set was expected. {DATA_TAKES}")
    raise DataError(f"{printable(path)} is a file of no known kind. {DATA_TAKES}")


def no_such_path(path: str) -> str:
    """``no folder photoz/ here. Did you mean photos/?``: what is missing, and the nearest name that exists."""
    missing, parent = os.path.normpath(os.path.expanduser(path)), ""
    while not os.path.exists(missing):
        parent = os.path.dirname(missing)
        if not parent or os.path.exists(parent):
            break
        missing = parent
    kind = "file" if os.path.splitext(missing)[1] else "folder"
    name = os.path.basename(missing) + ("/" if kind == "folder" else "")
    where = f"in {printable(parent)}" if parent else "here"
    near = _nearest_name(parent or ".", os.path.basename(missing))
    hint = f" Did you mean {printable(os.path.join(parent, near))}?" if near else ""
    return f"no {kind} {printable(name)} {where}.{hint}"


def _nearest_name(folder: str, name: str) -> str | None:
    try:
        with os.scandir(folder) as entries:
            kinds = {entry.name: entry.is_dir() for entry in entries}
    except OSError:
        return None
    by_lower_case = {existing.lower(): existing for existing in kinds}
    for lower in difflib.get_close_matches(name.lower(), list(by_lower_case), n=1):
        existing = by_lower_case[lower]
        return existing + "/" if kinds[existing] else existing
    return None
