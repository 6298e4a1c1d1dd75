"""HDF5 files of weights, looked at before any number is read: plain numbers in the file itself, no more than it holds.

HDF5 can do far more than hold weights: read from other files of the machine, and claim any size.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import h5py

SPARE_BYTES = 16 * 2**20
MOST_EXPANSION = 10
"""How many times its size a file may unpack to, beyond ``SPARE_BYTES``; Keras compresses nothing."""


class Stored(NamedTuple):
    """A dataset: its shape, and the bytes that its numbers take."""

    shape: tuple[int, ...]
    bytes: int


def checked_datasets(file: h5py.File, file_bytes: int) -> list[Stored]:
    """All datasets of a file of ``file_bytes``.

    Raises:
        ValueError: a dataset is of other things than numbers, or links to another place, or all of them are more than
            the file can hold.
    """
    found, total = [], 0
    for dataset in _datasets(file):
        total += _read_bytes(dataset)
        found.append(Stored(dataset.shape, math.prod(dataset.shape) * int(dataset.dtype.itemsize)))
    if total > SPARE_BYTES + MOST_EXPANSION * file_bytes:
        raise ValueError(f"its weights claim {total:,} bytes, and the file that should hold them has {file_bytes:,}")
    return found


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """All of them, each once, also where groups hold each other."""
    open_groups, seen = [file], {_address(file)}
    while open_groups:
        group = open_groups.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"its weights have a link ({_shown(group, name)}) to another place or file")
            item = group[name]
            if _address(item) in seen:
                continue
            seen.add(_address(item))
            if isinstance(item, h5py.Group):
                open_groups.append(item)
            elif isinstance(item, h5py.Dataset):
                yield item
            else:
                raise ValueError(f"its weights hold {_shown(group, name)}, which is not an array")


def _read_bytes(dataset: h5py.Dataset) -> int:
    """What reading it takes: a chunk is unpacked as a whole, however little of it is in the shape."""
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"its weights hold {_shown(dataset)}, whose numbers stand in another file")
    if dataset.shape is None or dataset.dtype.kind not in "biufV" or dataset.dtype.names:
        raise ValueError(f"its weights hold {_shown(dataset)}, which is not an array of numbers")
    numbers = max(math.prod(dataset.shape), math.prod(dataset.chunks or ()))
    return numbers * int(dataset.dtype.itemsize)


def _address(item: h5py.HLObject) -> tuple[int, int]:
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr


def _shown(group: h5py.HLObject, name: str = "") -> str:
    return f"{group.name}/{name}".strip("/")[:100]
