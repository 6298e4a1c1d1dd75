"""Opening ``.keras`` files of others: nothing in them is run, and they take no more memory than what they hold."""

import io
import json
import math
import stat
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import keras

from tfpt.models.hdf5_check import MOST_EXPANSION, SPARE_BYTES, checked_datasets
from tfpt.models.keras_config import check_config

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
_BYTES_PER_NUMBER = 4  # of nearly all weights; the limit leaves room for others


def open_keras_model(path: Path) -> keras.Model:
    """The model in a ``.keras`` file, without its optimizer, in Keras's safe mode. Raises as ``check_keras_file``."""
    config, stored = check_keras_file(path)
    needed = _needed_bytes(config)
    if needed > SPARE_BYTES + MOST_EXPANSION * stored:
        raise ValueError(f"its config asks for weights of {needed:,} bytes, and it brings {stored:,}")
    model = keras.models.load_model(path, compile=False, safe_mode=True)
    if not isinstance(model, keras.Model):
        raise ValueError(f"it holds a {type(model).__name__}, and no model")
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise ValueError("it holds a model that doesn't say what its inputs and outputs are")
    return model


def check_keras_file(path: Path) -> tuple[dict[str, Any], int]:
    """Its config and the bytes of its weights, of which none is read.

    Raises:
        ValueError: it holds or names what models needn't; the message says what, as part of a sentence.
        Exception: whatever zipfile, h5py and Keras raise for damaged files.
    """
    with zipfile.ZipFile(path) as archive:
        _check_members(archive, path.stat().st_size)
        config = json.loads(archive.read(CONFIG))
        if not isinstance(config, dict):
            raise ValueError(f"its {CONFIG} holds a {type(config).__name__}, and no model")
        check_config(config)
        return config, _check_weights(archive.read(WEIGHTS))


def _check_members(archive: zipfile.ZipFile, file_bytes: int) -> None:
    """ValueError for what could be written elsewhere, read in two ways, or unpack to more than it holds."""
    members = archive.infolist()
    names = Counter(member.filename for member in members)
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or ":" in parts[0]:
            raise ValueError(f"its member {member.filename!r:.80} leads out of its folder")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ValueError(f"its member {member.filename!r:.80} is a symbolic link")
        if names[member.filename] > 1:
            raise ValueError(f"it has {member.filename!r:.80} twice")
    for name in (CONFIG, WEIGHTS):
        if name not in names:
            raise ValueError(f"it is a zip archive without {name}, so not a model that Keras 3 has saved")
    total = sum(member.file_size for member in members)
    if total > SPARE_BYTES + MOST_EXPANSION * file_bytes:
        raise ValueError(f"it claims to unpack to {total:,} bytes, and has {file_bytes:,}")


def _check_weights(content: bytes) -> int:
    """The bytes of all weights, as they are in memory."""
    with h5py.File(io.BytesIO(content)) as file:
        return sum(dataset.bytes for dataset in checked_datasets(file, len(content)))


def _needed_bytes(config: Any) -> int:
    """The bytes of the weights that the config asks for, which are not made for it."""
    # In a thread, as Keras remembers by thread what it has to make when the scope ends.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_counted_bytes, {**config, "compile_config": None}).result()


def _counted_bytes(config: Any) -> int:
    with keras.StatelessScope(initialize_variables=False):
        found = keras.saving.deserialize_keras_object(config, safe_mode=True)
    return sum(_BYTES_PER_NUMBER * math.prod(variable.shape) for variable in getattr(found, "variables", ()))
