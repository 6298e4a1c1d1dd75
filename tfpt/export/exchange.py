"""Batches of named arrays in a file, one after the other: what another process is asked, and what it answers.

The loader scripts load this module by its path, in processes where tfpt can't be imported: it imports nothing of it.
A batch is eight bytes with its header's length, the header in JSON, and the bytes of its arrays.
"""

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

TEXT = "bytes"


def write_batches(path: Path, batches: Iterable[Mapping[str, Any]]) -> None:
    """Write batches as they come; only one is in memory.

    A batch maps names to a list of bytes, or to an array of any shape: of bytes (dtype object or S), numbers or bool.

    Raises:
        TypeError: something else is in a batch.
        OSError: the disk is full, or the folder can't be written.
    """
    with open(path, "wb") as file:
        for batch in batches:
            entries = [_entry(name, values) for name, values in batch.items()]
            header = json.dumps([about for about, _ in entries]).encode()
            file.write(struct.pack("<Q", len(header)) + header)
            for _, parts in entries:
                file.writelines(parts)
            file.flush()  # whoever waits for an answering process sees by the size how far it is


def read_batches(path: Path) -> Iterator[dict[str, np.ndarray]]:
    """The batches of ``write_batches``, one at a time; bytes as arrays of objects. ValueError: the file is damaged."""
    with open(path, "rb") as file:
        while prefix := file.read(8):
            header = _exactly(file, *struct.unpack("<Q", prefix)) if len(prefix) == 8 else b""
            yield {name: _read_text(file, shape, sizes) if dtype == TEXT else _read_numbers(file, shape, dtype)
                   for name, dtype, shape, sizes in json.loads(header)}


def _entry(name: str, values: Any) -> tuple[list[Any], list[Any]]:
    """``[name, dtype, shape, sizes of texts]``, and what is to be written."""
    array = np.asarray(values, object) if isinstance(values, list) else np.asarray(values)
    if array.dtype.kind in "OS":
        texts = array.astype(object).ravel().tolist()
        if not all(isinstance(text, bytes) for text in texts):
            kinds = sorted({type(text).__name__ for text in texts} - {"bytes"})
            raise TypeError(f"{name} holds {', '.join(kinds)}, but bytes or an array of numbers were expected")
        return [name, TEXT, array.shape, [len(text) for text in texts]], texts
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name} is an array of {array.dtype}, which can't be sent to another process")
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
    # asarray() of a scalar has no dimensions, ascontiguousarray() gives it one.
    return [name, array.dtype.str, np.shape(values), None], [array.reshape(-1).view(np.uint8)]


def _read_text(file: BufferedReader, shape: list[int], sizes: list[int]) -> np.ndarray:
    array = np.empty(len(sizes), object)
    array[:] = [_exactly(file, size) for size in sizes]
    return array.reshape(shape)


def _read_numbers(file: BufferedReader, shape: list[int], dtype: str) -> np.ndarray:
    array = np.empty(shape, dtype)
    if file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
        raise ValueError(f"{file.name} is cut off")
    return array


def _exactly(file: BufferedReader, size: int) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise ValueError(f"{file.name} is cut off")
    return content
