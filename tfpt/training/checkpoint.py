"""Checkpoints that restore every tensor bit for bit, or say why they can't.

A checkpoint is a folder ``<epoch>-<step>`` with the arrays in NumPy's format and a manifest: what each array is, a
sha256 per file, and the loop's state. It is written beside, synced and renamed into place, so that a folder with
that name is whole; the newest whole one wins.
"""

import hashlib
import io
import json
import math
import os
import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.atomic_files import MOST_BYTES, read_own_bytes, sync_folder
from tfpt.errors import CheckFailed, RunError

FORMAT = 1
KEPT = 2
ARRAYS, BEST, MANIFEST, DIGESTS = "state.npz", "best.npz", "manifest.json", "sha256.json"
_NAME = re.compile(r"[0-9]{5,}-[0-9]{8,}")
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, MemoryError, RecursionError,
           zipfile.BadZipFile)
"""What reading a folder raises that isn't, or is no longer, what ``save`` wrote."""


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint holds: the loop's JSON-able ``state``, all variables, the best weights so far, and the config
    by dotted names, also JSON-able.
    """

    state: Mapping[str, Any]
    arrays: Sequence[np.ndarray]
    best: Sequence[np.ndarray]
    config: Mapping[str, Any] = field(default_factory=dict)


def describe(variables: Sequence[Any]) -> list[dict[str, Any]]:
    """Path, shape and dtype of each variable: arrays are restored by position, and checked against this."""
    return [{"path": variable.path, "shape": list(variable.shape), "dtype": str(variable.dtype)}
            for variable in variables]


def save(folder: Path, snapshot: Snapshot, description: Sequence[Mapping[str, Any]]) -> Path:
    """Write ``snapshot`` under ``folder``; afterwards the newest ``KEPT`` checkpoints are left, and the newest one from
    which the snapshot's epoch can be begun again.

    Raises:
        RunError: the disk is full or not writable. Earlier checkpoints stay as they are.
    """
    name = f"{snapshot.state['epoch']:05d}-{snapshot.state['step']:08d}"
    beside, place = folder / f"{name}.tmp", folder / name
    _refuse_link(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        _write_files(beside, snapshot, description)
        if place.exists():  # it may be the only one: it stays until the new one is in its place
            place.rename(_put_aside(place))
        beside.rename(place)
        sync_folder(folder)
        shutil.rmtree(_put_aside(place), ignore_errors=True)
    except OSError as problem:
        shutil.rmtree(beside, ignore_errors=True)
        raise RunError(f"The checkpoint {place} could not be written: {problem.strerror or problem}. Earlier "
                       "ones, if there are any, are intact; make room and go on with --resume.") from problem
    names = _names(folder)
    for old in set(names[:-KEPT]) - {name} - set(_until(names, snapshot.state["epoch"])[-1:]):
        shutil.rmtree(folder / old, ignore_errors=True)
    return place


def load_newest(folder: Path, description: Sequence[Mapping[str, Any]],
                before_epoch: int | None = None) -> tuple[Snapshot, list[str]] | None:
    """The newest whole checkpoint, and a sentence for each newer one that was passed over; None if there are none.

    With ``before_epoch`` only those count that were written before the first update of that epoch.

    Raises:
        CheckFailed: there are checkpoints, and none is whole.
        RunError: the checkpoint holds other variables than ``description`` says, or ``folder`` is a link.
    """
    _refuse_link(folder)
    _clear_up(folder)
    problems: list[str] = []
    for name in reversed(_until(_names(folder), before_epoch)):
        try:
            snapshot, found = _read(folder / name, _most_bytes(description))
        except _DAMAGE as problem:
            problems.append(f"checkpoint {folder / name} is damaged ({problem})")
            continue
        _check_same(found, description, folder / name)
        return snapshot, problems
    if problems:
        raise CheckFailed("No whole checkpoint is left: " + "; ".join(problems) + ". Start the run anew.")
    return None


def remove_later(folder: Path, epoch: int) -> None:
    """Forget what was written after the first update of ``epoch``: that epoch is begun again."""
    names = _names(folder)
    for later in names[len(_until(names, epoch)):]:
        shutil.rmtree(folder / later, ignore_errors=True)


def _put_aside(place: Path) -> Path:
    return place.with_name(f"{place.name}.old")


def _clear_up(folder: Path) -> None:
    """After a kill in the middle of ``save``."""
    for old in folder.glob("*.old"):
        if _NAME.fullmatch(old.stem):
            if not (folder / old.stem).exists():
                old.rename(folder / old.stem)
            shutil.rmtree(old, ignore_errors=True)
    for leftover in folder.glob("*.tmp"):
        if _NAME.fullmatch(leftover.stem):
            shutil.rmtree(leftover, ignore_errors=True)


def _write_files(folder: Path, snapshot: Snapshot, description: Sequence[Mapping[str, Any]]) -> None:
    manifest = {"format": FORMAT, "config": snapshot.config, "state": snapshot.state, "arrays": description}
    contents = {ARRAYS: _to_bytes(snapshot.arrays), MANIFEST: json.dumps(manifest, indent=1).encode()}
    if snapshot.best:
        contents[BEST] = _to_bytes(snapshot.best)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    for name, content in {**contents, DIGESTS: json.dumps(digests, indent=1).encode()}.items():
        with (folder / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    sync_folder(folder)


def _most_bytes(description: Sequence[Mapping[str, Any]]) -> int:
    """No file of a checkpoint of these variables is larger; those of something else needn't be read to the end."""
    return 2 * sum(8 * math.prod(array["shape"]) for array in description) + MOST_BYTES


def _read(place: Path, most_bytes: int) -> tuple[Snapshot, list[dict[str, Any]]]:
    digests = json.loads(read_own_bytes(place / DIGESTS, most_bytes))
    if not {ARRAYS, MANIFEST} <= set(digests) <= {ARRAYS, MANIFEST, BEST}:
        raise ValueError(f"{DIGESTS} is of other files than a checkpoint's")
    contents = {name: read_own_bytes(place / name, most_bytes) for name in digests}
    for name, expected in digests.items():
        found = hashlib.sha256(contents[name]).hexdigest()
        if found != expected:
            raise ValueError(f"{name} has sha256 {found[:12]}…, expected {expected[:12]}…")
    manifest = json.loads(contents[MANIFEST])
    if manifest["format"] != FORMAT:
        raise ValueError(f"format {manifest['format']}, this tfpt reads {FORMAT}")
    if not all(isinstance(array[part], kind) for array in manifest["arrays"]
               for part, kind in (("path", str), ("shape", list), ("dtype", str))):
        raise ValueError(f"{MANIFEST} doesn't say what its arrays are")
    config = manifest.get("config", {})
    if not isinstance(config, dict):
        raise ValueError(f"{MANIFEST} doesn't say what its config was")
    arrays = _from_bytes(contents[ARRAYS])
    if [list(array.shape) for array in arrays] != [described["shape"] for described in manifest["arrays"]]:
        raise ValueError(f"{ARRAYS} holds other arrays than {MANIFEST} says")
    best = _from_bytes(contents[BEST]) if BEST in contents else []
    return Snapshot(manifest["state"], arrays, best, config), manifest["arrays"]


def _check_same(found: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]], place: Path) -> None:
    """Compares shapes and dtypes, and the last part of each path (Keras numbers layers and variables within a process).
    """
    if len(found) != len(expected):
        raise RunError(f"{place} holds {len(found)} tensors, this run has {len(expected)}: it was written by another "
                       "model or optimizer.")
    for index, (there, here) in enumerate(zip(found, expected)):
        same_kind = _kind(there["path"]) == _kind(here["path"])
        if not same_kind or there["shape"] != here["shape"] or there["dtype"] != here["dtype"]:
            raise RunError(f"Tensor {index} of {place} is {there['path']} {there['shape']} {there['dtype']}, this run "
                           f"has {here['path']} {here['shape']} {here['dtype']}: it was written by another model or "
                           "optimizer.")


def _kind(path: str) -> str:
    """The last part, ``variable_90`` (what Keras calls one without a name) as ``variable``."""
    return re.sub(r"variable_\d+", "variable", path.rsplit("/")[-1])


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir() if entry.is_dir() and _NAME.fullmatch(entry.name))
    return sorted(names, key=_moment)


def _moment(name: str) -> tuple[int, int]:
    """Epoch and step, which have more digits in a very long training."""
    epoch, step = name.split("-")
    return int(epoch), int(step)


def _until(names: Sequence[str], epoch: int | None) -> list[str]:
    """Those of before the first update of ``epoch``; None: all."""
    return [name for name in names if epoch is None or _moment(name) <= (epoch, 0)]


def _refuse_link(folder: Path) -> None:
    """A run may be somebody else's: what is removed and written has to be the run's own."""
    if folder.is_symlink():
        raise RunError(f"{folder} is a symbolic link to {os.readlink(folder)}; checkpoints are written, and old ones "
                       "removed, in the run's own folder alone. Put the folder itself there, or move the whole run and "
                       "link that.")


def _to_bytes(arrays: Sequence[np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    return buffer.getvalue()


def _from_bytes(content: bytes) -> list[np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.infolist()):
            raise ValueError("its arrays are compressed: they may unpack to any size")  # ``save`` compresses nothing
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return [archive[f"arr_{index}"] for index in range(len(archive.files))]
