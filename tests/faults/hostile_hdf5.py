"""Hostile HDF5 weights, in a .keras file or as a .weights.h5: each trick stands where the Dense layer's kernel was."""

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tests.faults.hostile_files import SECRET, WEIGHTS, model_parts, with_members


def weights(change: Callable[[h5py.File], None]) -> bytes:
    """The small model's weights after ``change``."""
    buffer = io.BytesIO(model_parts()[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()


def replaced_kernel(make: Callable[[h5py.Group], None]) -> Callable[[h5py.File], None]:
    """Puts what ``make`` puts under the name "0" in place of the Dense layer's kernel."""
    def change(file: h5py.File) -> None:
        group = file["layers/dense/vars"]
        del group["0"]
        make(group)

    return change


def huge_shape(side: int) -> Callable[[h5py.Group], None]:
    """A dataset of ``side``² numbers, of which none is in the file."""
    return lambda group: group.create_dataset("0", (side, side), "f4", chunks=(1024, 1024), fillvalue=1)


def huge_chunk(group: h5py.Group, megabytes: int = 600) -> None:
    """Four numbers by its shape, but the one chunk that holds them unpacks to more than a gigabyte."""
    dataset = group.create_dataset("0", (2, 2), "u1", maxshape=(None, None), chunks=(megabytes, 2**20),
                                   compression="gzip")
    packer, packed = zlib.compressobj(1), bytearray()
    for _ in range(megabytes):
        packed += packer.compress(bytes(2**20))
    dataset.id.write_direct_chunk((0, 0), bytes(packed + packer.flush()))


def external_bytes(group: h5py.Group) -> None:
    """Numbers that stand in a file of the host."""
    group.create_dataset("0", (4, 3), "f4", external=[(SECRET, 0, 48)])


def external_link(group: h5py.Group) -> None:
    group["0"] = h5py.ExternalLink("other.h5", "/numbers")


def soft_link(group: h5py.Group) -> None:
    group["0"] = h5py.SoftLink("/layers/dense/vars/1")


def virtual(group: h5py.Group) -> None:
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "numbers", (4, 3))
    group.create_virtual_dataset("0", layout)


def texts(group: h5py.Group) -> None:
    group.create_dataset("0", data=np.array(["a", "b"], object), dtype=h5py.string_dtype())


HDF5_TRICKS: dict[str, Callable[[h5py.Group], None]] = {
    "petabytes": huge_shape(30_000_000), "four gigabytes": huge_shape(32_000), "chunk": huge_chunk,
    "external storage": external_bytes, "external link": external_link, "soft link": soft_link, "virtual": virtual,
    "texts": texts}


def with_weights(trick: str) -> Callable[[Path], None]:
    """A .keras file whose weights play a trick of ``HDF5_TRICKS``."""
    return lambda path: with_members({WEIGHTS: weights(replaced_kernel(HDF5_TRICKS[trick]))})(path)


def weights_file(trick: str) -> Callable[[Path], None]:
    """A ``.weights.h5`` that plays the trick."""
    def write(path: Path) -> None:
        path.write_bytes(weights(replaced_kernel(HDF5_TRICKS[trick])))

    return write
