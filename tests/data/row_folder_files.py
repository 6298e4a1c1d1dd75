"""Rows whose bytes follow from their keys, so that a reader can tell right ones from wrong ones; damage to files."""

import hashlib

import numpy as np

from tfpt.data.row_files import RowFolder

ROW_BYTES = 40
ABOUT = {"model": "small"}


def keys_of(numbers):
    """uint8 [n, 16]: full of zeros, at the end too, where byte strings are easily mistaken for each other."""
    return np.array([list(int(number).to_bytes(16, "little")) for number in numbers], np.uint8).reshape(-1, 16)


def rows_of(numbers, row_bytes=ROW_BYTES):
    """uint8 [n, row_bytes]."""
    def row(number):
        digest = hashlib.sha256(str(int(number)).encode()).digest()
        return list((digest * (row_bytes // len(digest) + 1))[:row_bytes])

    return np.array([row(number) for number in numbers], np.uint8).reshape(-1, row_bytes)


def written(path, *parts, row_bytes=ROW_BYTES):
    """A folder with one segment for each of ``parts``, which are numbers; closed again."""
    folder = RowFolder(path, row_bytes, ABOUT)
    for numbers in parts:
        folder.append(keys_of(numbers), rows_of(numbers, row_bytes))
        folder.finish()
    folder.close()
    return path


def segment(path):
    """The one segment of the folder."""
    (file,) = path.glob("*.rows")
    return file


def flip(file, offset):
    """Change a bit in place, as a disk does: a file that shrinks under its map would end the process."""
    with file.open("r+b") as stream:
        stream.seek(offset, 2 if offset < 0 else 0)
        byte = stream.read(1)[0]
        stream.seek(-1, 1)
        stream.write(bytes([byte ^ 1]))


def opened(path, row_bytes=ROW_BYTES):
    return RowFolder(path, row_bytes, ABOUT)


def holds(folder, numbers, row_bytes=ROW_BYTES):
    """Whether the folder finds all of these and reads the right bytes."""
    rows = folder.find(keys_of(numbers))
    return (rows >= 0).all() and np.array_equal(folder.read(rows), rows_of(numbers, row_bytes))


def lacks(folder, numbers):
    return (folder.find(keys_of(numbers)) == -1).all()


def holds_after_append(folder, numbers):
    folder.append(keys_of(numbers), rows_of(numbers))
    return holds(folder, numbers)
