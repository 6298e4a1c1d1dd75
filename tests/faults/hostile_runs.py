"""Hostile run directories: what is made here changes a copy of an honest one."""

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.hostile_files import COMMAND, Payload

Change = Callable[[Path], None]
OUTSIDE = "outside"
"""A folder of the user's, beside the run, that nothing may be written to."""


def put(file: str, write: Callable[[Path], None]) -> Change:
    """The run's ``file`` as ``write`` writes it."""
    def change(run: Path) -> None:
        (run / file).unlink()
        write(run / file)

    return change


def text(file: str, content: str) -> Change:
    return put(file, lambda path: path.write_text(content, encoding="utf-8") and None)


def add_to_config(lines: str) -> Change:
    def change(run: Path) -> None:
        with (run / "config.yaml").open("a", encoding="utf-8") as file:
            file.write(lines)

    return change


def set_in(file: str, **values: Any) -> Change:
    """The JSON object in ``file`` with other values."""
    def change(run: Path) -> None:
        content = json.loads((run / file).read_text(encoding="utf-8"))
        (run / file).write_text(json.dumps({**content, **values}), encoding="utf-8")

    return change


def set_nested(file: str, name: str, **values: Any) -> Change:
    """The same, in the object under ``name``."""
    def change(run: Path) -> None:
        content = json.loads((run / file).read_text(encoding="utf-8"))
        set_in(file, **{name: {**content[name], **values}})(run)

    return change


def linked(file: str, target: str = OUTSIDE) -> Change:
    """The run's file or folder is a link to what is not the run's."""
    def change(run: Path) -> None:
        path = run / file
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
        os.symlink(Path("..") / target, path)

    return change


# Checkpoints, whose checksums whoever makes a hostile one makes too

def newest(run: Path) -> Path:
    return max((run / "checkpoints").iterdir())


def checkpoint(**contents: bytes | Callable[[bytes], bytes]) -> Change:
    """The newest checkpoint with other contents (``state``, ``best``: .npz; ``manifest``: .json), and their digests."""
    def change(run: Path) -> None:
        for name, content in contents.items():
            file = newest(run) / (f"{name}.json" if name == "manifest" else f"{name}.npz")
            file.write_bytes(content if isinstance(content, bytes) else content(file.read_bytes()))
        digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest()
                   for file in newest(run).iterdir() if file.name != "sha256.json"}
        (newest(run) / "sha256.json").write_text(json.dumps(digests), encoding="utf-8")

    return change


def manifest(**values: Any) -> Change:
    def edit(content: bytes) -> bytes:
        return json.dumps({**json.loads(content), **values}).encode()

    return checkpoint(manifest=edit)


def state(**values: Any) -> Change:
    """Another state of the loop in the manifest."""
    def edit(content: bytes) -> bytes:
        found = json.loads(content)
        return json.dumps({**found, "state": {**found["state"], **values}}).encode()

    return checkpoint(manifest=edit)


def digests(content: Any) -> Change:
    return lambda run: (newest(run) / "sha256.json").write_text(json.dumps(content), encoding="utf-8") and None


def pickled_arrays(content: bytes) -> bytes:
    """As many arrays as before, each of Python objects."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        count = len(archive.namelist())
    buffer = io.BytesIO()
    np.savez(buffer, *[np.array([Payload()], object) for _ in range(count)])
    return buffer.getvalue()


def huge_header(content: bytes, shape: str = "(4000000000000, 1000)") -> bytes:
    """The first array's header claims petabytes."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    return _with_member(content, "arr_0.npy", lambda _: array)


def deflated_zeros(content: bytes, megabytes: int = 600) -> bytes:
    """The first array is of zeros: a megabyte that unpacks to hundreds."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({megabytes * 2**20},), }}".ljust(117) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("arr_0.npy", "w") as member:
            member.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
            for _ in range(megabytes):
                member.write(bytes(2**20))
    return buffer.getvalue()


def _with_member(content: bytes, name: str, edit: Callable[[bytes], bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(buffer, "w") as after:
        for member in before.namelist():
            after.writestr(member, edit(before.read(member)) if member == name else before.read(member))
    return buffer.getvalue()


CONSTRUCTORS: Mapping[str, str] = {
    "apply": f"x: !!python/object/apply:os.system ['{COMMAND}']\n",
    "new": f"x: !!python/object/new:os.system ['{COMMAND}']\n",
    "name": "x: !!python/name:os.system\n",
    "module": "x: !!python/module:os\n",
    "object": f"x: !!python/object:tests.faults.hostile_files.Payload {{command: '{COMMAND}'}}\n",
    "tag of ours": f"x: !run '{COMMAND}'\n",
}
"""YAML that unsafe loaders make Python objects of."""
ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12))
"""A kilobyte that stands for 9¹² texts."""
DEEP_YAML = "x: " + "[" * 50_000

PLAN: Mapping[str, Any] = {
    "cuts": [{"name": "x", "places": [[9999, 0]], "values": 10**15, "saved": 1, "ahead": False}], "phases": [0],
    "where": "memory", "kept": False, "rows": 10**15, "dtype": "float16", "bytes": 1, "why": "", "lasting": False}
"""Of the prefix cache, in a place where the model has nothing, for rows of a thousand petabytes."""
CALLBACKS = [{"class": "TensorBoardSeries", "attributes": {"_folder": f"../{OUTSIDE}"}},
             {"class": "History", "attributes": {}}]
