"""Where the image of each record is, its class, and whether the data check found it good: kept between runs.

A file of records is read once, to make its index; as long as it is the same file, unchanged, by what ``stat`` tells,
later runs know at once where to read.
"""

import contextlib
import hashlib
import io
import json
import os
import time
import zipfile

import numpy as np
import PIL
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfpt.atomic_files import atomic_write_bytes
from tfpt.data.known_files import CHECK, SETTLED_SECONDS, file_identity
from tfpt.data.notes import notes_folder
from tfpt.data.tfds.features import Columns
from tfpt.data.tfds.shards import Shard
from tfpt.errors import TfptError

UNKNOWN, GOOD, CONVERTED = 0, 1, 2
"""What the check has found of an image: nothing yet, good, or good by way of a PNG."""

NO_LABEL = -1
_MOST_BYTES = 2**48
_FORM = 1
"""To be raised when the index is made in another way."""

_ROW = np.dtype([("offset", "<i8"), ("length", "<i8"), ("label", "<i8"), ("state", "u1"), ("hash", "u1", 32)])


class RecordIndex:
    """The index of one shard. ``rows`` holds a row per record: offset, length, label, state and hash of its image."""

    def __init__(self, shard: Shard, columns: Columns):
        """Read it from the notes of an earlier run, or make it.

        Raises:
            DataError: the shard is damaged, or a record of it holds no image.
        """
        self.shard = shard
        name = hashlib.sha256(os.fsencode(os.path.abspath(shard.path))).hexdigest()[:32]
        self._file = notes_folder("tfds") / f"{name}.npz"
        looked_at, status = time.time(), os.stat(shard.path)
        self._identity = json.dumps([_FORM, *file_identity(status), shard.count, columns.image, columns.label])
        self._may_keep = looked_at - max(status.st_mtime, status.st_ctime) > SETTLED_SECONDS
        rows = self._kept()
        self._is_changed = rows is None
        self.rows = _make_rows(shard, columns) if rows is None else rows

    def contents(self, number: int) -> bytes:
        """A record's encoded image. Raises DataError: it can't be read."""
        row = self.rows[number]
        return self.shard.read(number, int(row["offset"]), int(row["length"]))

    def known(self, number: int) -> tuple[str, bool] | None:
        """The sha256 of a record's image and whether it had to be converted, if it was found good before."""
        row = self.rows[number]
        return None if row["state"] == UNKNOWN else (row["hash"].tobytes().hex(), bool(row["state"] == CONVERTED))

    def remember(self, number: int, content_hash: str, converted: bool) -> None:
        """A record's image is good."""
        row, state = self.rows[number], CONVERTED if converted else GOOD
        digest = np.frombuffer(bytes.fromhex(content_hash), np.uint8)
        if row["state"] != state or not np.array_equal(row["hash"], digest):
            row["state"], row["hash"], self._is_changed = state, digest, True

    def save(self) -> None:
        """Keep it for later runs; a cache that can't be written costs them a pass, no more."""
        if not (self._is_changed and self._may_keep):
            return
        stream = io.BytesIO()
        np.savez(stream, identity=np.array(self._identity), conditions=np.array(_conditions()), rows=self.rows)
        with contextlib.suppress(OSError, TfptError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write_bytes(self._file, stream.getvalue())
            self._is_changed = False

    def _kept(self) -> np.ndarray | None:
        try:
            with np.load(self._file, allow_pickle=False) as kept:
                rows, identity, conditions = kept["rows"], str(kept["identity"]), str(kept["conditions"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        if identity != self._identity or rows.dtype != _ROW or rows.shape != (self.shard.count,):
            return None
        if (rows["state"] > CONVERTED).any() or not all(((0 <= rows[name]) & (rows[name] < _MOST_BYTES)).all()
                                                        for name in ("offset", "length")):
            return None
        if conditions != _conditions():
            rows["state"] = UNKNOWN
        return rows


def _make_rows(shard: Shard, columns: Columns) -> np.ndarray:
    rows = np.zeros(shard.count, _ROW)
    number = 0
    for number, (offset, record) in enumerate(shard.records(), start=1):
        if number <= shard.count:
            found = _find_image(shard, number - 1, offset, record, columns)
            rows["offset"][number - 1], rows["length"][number - 1], rows["label"][number - 1] = found
    return rows


def _find_image(shard: Shard, number: int, offset: int, record: bytes, columns: Columns) -> tuple[int, int, int]:
    """Offset and length of a record's image, and its label."""
    try:
        features = tf.train.Example.FromString(record).features.feature
    except DecodeError as error:
        raise shard.damaged(f"record {number:,} is no tf.train.Example") from error
    images = features[columns.image].bytes_list.value
    if len(images) != 1:
        raise shard.damaged(f"record {number:,} holds {len(images)} images as {columns.image}, one was expected")
    labels = list(features[columns.label].int64_list.value) if columns.label is not None else []
    # A message holds bytes as they are, in one piece; whatever else equals them is as good.
    return offset + record.index(images[0]), len(images[0]), labels[0] if len(labels) == 1 else NO_LABEL


def _conditions() -> str:
    return json.dumps([CHECK, tf.__version__, PIL.__version__])
