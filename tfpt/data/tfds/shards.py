"""The files that hold a data set's records, and the bytes of one record's image.

Neither format is decoded by code of ours: TensorFlow walks through TFRecord files and checks their sums, after which
each image is a range of bytes of the file; ArrayRecord files are read by ``tfds.data_source``.
"""

import os
import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf

from tfpt.data.listing import printable
from tfpt.data.tfds.missing import one_line
from tfpt.errors import DataError

_TFRECORD_HEADER, _TFRECORD_AROUND = 12, 16
"""Bytes before a record (its length, and the length's sum), and before and after it (its own sum)."""

_BUFFER_BYTES = 8 << 20
_OTHER_FILES = 256
"""That the process may have open beside the data set's."""


@dataclass(frozen=True, eq=False)
class Shard:
    """One file: ``count`` records of a split, in which the first one is number ``first``."""

    path: str
    split: str
    first: int
    count: int

    def records(self) -> Iterator[tuple[int, bytes]]:
        """All records in order, each with the ``offset`` at which ``read`` finds its first byte.

        Raises:
            DataError: the file isn't there, is damaged, or holds another number of records.
        """
        raise NotImplementedError

    def read(self, number: int, offset: int, length: int) -> bytes:
        """A part of a record. Raises DataError: it can't be read."""
        raise NotImplementedError

    def _require_count(self, found: int) -> None:
        if found != self.count:
            raise self.damaged(f"it holds {found:,} records, and dataset_info.json says {self.count:,}")

    def damaged(self, why: str) -> DataError:
        """What to say of this file."""
        return DataError(f"{printable(self.path)} is damaged or cut off: {why}. Prepare the data set again, or copy "
                         "this file again from where it was prepared.")


class TfRecordShard(Shard):
    """TFRecord: no random access of its own, so that it is walked through once (``record_index.py``)."""

    def records(self) -> Iterator[tuple[int, bytes]]:
        number, position = 0, _TFRECORD_HEADER
        try:
            for record in tf.data.TFRecordDataset(self.path, buffer_size=_BUFFER_BYTES).as_numpy_iterator():
                yield position, record
                number, position = number + 1, position + len(record) + _TFRECORD_AROUND
        except tf.errors.OpError as error:
            raise self.damaged(f"after {number:,} records, {one_line(error)}") from error
        self._require_count(number)

    def read(self, number: int, offset: int, length: int) -> bytes:
        try:
            # Opened each time: a set may have more shards than a process may have files open.
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                contents = os.pread(descriptor, length, offset)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DataError(f"{printable(self.path)} can't be read: {error.strerror or error}.") from error
        if len(contents) != length:
            raise self.damaged(f"it ends within record {number:,}")
        return contents


@dataclass(frozen=True, eq=False)
class ArrayRecordShard(Shard):
    """ArrayRecord, by ``tfds.data_source``."""

    source: "SplitSource"

    def records(self) -> Iterator[tuple[int, bytes]]:
        self._require_count(self._held())
        for number in range(self.count):
            yield 0, self._record(number)

    def read(self, number: int, offset: int, length: int) -> bytes:
        return self._record(number)[offset:offset + length]

    def _held(self) -> int:
        """How many records are in the file: ``source`` believes what dataset_info.json says."""
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        try:
            return len(ArrayRecordDataSource([self.path]))
        except Exception as error:  # the library raises its own
            raise self.damaged(f"its records can't be counted, {one_line(error)}") from error

    def _record(self, number: int) -> bytes:
        try:
            record: bytes = self.source.records[self.first + number]
        except Exception as error:  # the library raises its own, ValueError, IndexError…
            raise self.damaged(f"record {number:,} can't be read, {one_line(error)}") from error
        return record


class SplitSource:
    """The undecoded records of a whole split."""

    def __init__(self, builder: Any, split: str):
        self._builder, self._split = builder, split

    @cached_property
    def records(self) -> Sequence[bytes]:
        """Opened when it is first asked for."""
        import tensorflow_datasets as tfds

        raw: Sequence[bytes] = self._builder.as_data_source(
            split=self._split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES)
        return raw


def allow_open_files(shards: Sequence[Shard]) -> None:
    """Let this process have all ArrayRecord files of a set open, as their readers do; no more than the system allows.

    Raises:
        DataError: there are too many of them.
    """
    needed = _OTHER_FILES + sum(isinstance(shard, ArrayRecordShard) for shard in shards)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise DataError(f"the data set is in {needed - _OTHER_FILES:,} ArrayRecord files, all of which are open while "
                        f"it is read, and this process may have no more than {hard:,} open. Raise that limit "
                        "(ulimit -n), or prepare the data set as TFRecord.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def split_shards(builder: Any, split: str) -> list[Shard]:
    """The files of a split, in order; they may not be there. DataError: their format is another."""
    info = builder.info.splits[split]
    file_format = str(builder.info.file_format.value)
    paths = [os.fspath(path) for path in info.filepaths]
    if file_format not in ("tfrecord", "array_record"):
        raise DataError(f"{builder.info.full_name} is prepared as {file_format}, but tfrecord or array_record was "
                        "expected. Prepare it as one of those: "
                        "download_and_prepare(file_format=\"array_record\").")
    source = SplitSource(builder, split)
    shards: list[Shard] = []
    first = 0
    for path, count in zip(paths, info.shard_lengths, strict=True):
        shards.append(TfRecordShard(path, split, first, count) if file_format == "tfrecord"
                      else ArrayRecordShard(path, split, first, count, source))
        first += count
    return shards
