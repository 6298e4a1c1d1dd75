import os
import resource
import struct

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tests.data.tfds.prepared_sets import FORMATS, pictures, prepare, shard_files
from tfpt.data.tfds.shards import allow_open_files, split_shards
from tfpt.errors import DataError


def builder(folder):
    return tfds.builder_from_directory(folder)


def test_records_are_those_that_tfds_reads_and_any_part_of_one_can_be_read(data_dir):
    folder = next(data_dir.glob("shapes/*"))
    shards = split_shards(builder(folder), "train")
    assert [(shard.first, shard.count) for shard in shards] == [(0, 9), (9, 9)]
    for shard in shards:
        for number, (offset, record) in enumerate(shard.records()):
            example = tf.train.Example.FromString(record)
            assert set(example.features.feature) == {"image", "label"}
            assert shard.read(number, offset, len(record)) == record
            assert shard.read(number, offset + 3, 5) == record[3:8]


@pytest.fixture
def open_files():
    """Sets how many files may be open at once; afterwards it is as before."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_files_that_are_open_all_at_once_may_be_many(tmp_path, open_files):
    open_now = len(os.listdir("/proc/self/fd"))
    folder = prepare(tmp_path, {"train": pictures(60)}, file_format="array_record", shards=60)
    too_many, shards = (split_shards(builder(folder), "train") for _ in range(2))
    open_files(open_now + 30)
    with pytest.raises(DataError, match="Too many open files"):
        [list(shard.records()) for shard in too_many]
    allow_open_files(shards)
    assert sum(len(list(shard.records())) for shard in shards) == 60


def test_more_files_than_the_system_allows_are_refused(tmp_path, monkeypatch):
    shards = split_shards(builder(prepare(tmp_path, file_format="array_record")), "train")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (200, 257))
    with pytest.raises(DataError, match="in 2 ArrayRecord files, .* may have no more than 257 open. Raise that limit"):
        allow_open_files(shards)


def test_tfrecord_files_are_open_one_at_a_time(tmp_path, open_files):
    shards = split_shards(builder(prepare(tmp_path, {"train": pictures(60)}, shards=60)), "train")
    allow_open_files(shards)
    open_files(len(os.listdir("/proc/self/fd")) + 30)
    places = [next(iter(shard.records())) for shard in shards]
    assert all(shard.read(0, offset, 1) == record[:1] for shard, (offset, record) in zip(shards, places, strict=True))


def test_other_formats_are_refused(tmp_path):
    folder = prepare(tmp_path, {"train": pictures(3)}, shards=1)
    text = (folder / "dataset_info.json").read_text()
    (folder / "dataset_info.json").write_text(text.replace('"tfrecord"', '"parquet"'))
    file, = shard_files(folder)
    file.rename(str(file).replace("tfrecord", "parquet"))
    with pytest.raises(DataError, match="prepared as parquet, but tfrecord or array_record"):
        split_shards(builder(folder), "train")


def cut_header(content: bytes) -> bytes:
    return content[:7]


def cut_record(content: bytes) -> bytes:
    return content[:-20]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]


def lie(content: bytes) -> bytes:
    return struct.pack("<Q", 2**60) + content[8:]


@pytest.mark.parametrize("file_format, change", [
    *((file_format, change) for file_format in FORMATS
      for change in (cut_header, cut_record, flip, lambda content: b"", lambda content: bytes(900))),
    ("tfrecord", lie)])
def test_a_damaged_file_is_named(tmp_path, file_format, change):
    folder = prepare(tmp_path, {"train": pictures(12)}, file_format=file_format, shards=1)
    file, = shard_files(folder)
    file.write_bytes(change(file.read_bytes()))
    shard, = split_shards(builder(folder), "train")
    with pytest.raises(DataError, match="is damaged or cut off: .* Prepare the data set again") as caught:
        list(shard.records())
    assert str(caught.value).startswith(str(file)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("said, found", [(12, 11), (12, 13)])
def test_another_number_of_records_than_was_written_is_told(tmp_path, file_format, said, found):
    folder = prepare(tmp_path, {"train": pictures(found)}, shards=1, file_format=file_format)
    text = (folder / "dataset_info.json").read_text()
    (folder / "dataset_info.json").write_text(text.replace(f'"{found}"', f'"{said}"'))
    shard, = split_shards(builder(folder), "train")
    with pytest.raises(DataError, match=f"it holds {found} records, and dataset_info.json says {said}"):
        list(shard.records())


def test_a_file_that_shrinks_or_goes_after_it_was_indexed_is_told(tmp_path):
    file, = shard_files(prepare(tmp_path, {"train": pictures(4)}, shards=1))
    shard, = split_shards(builder(file.parent), "train")
    (offset, record), *_, = shard.records()
    os.truncate(file, offset + 10)
    with pytest.raises(DataError, match="it ends within record 0"):
        shard.read(0, offset, len(record))
    file.unlink()
    with pytest.raises(DataError, match="can't be read: No such file"):
        shard.read(0, offset, len(record))
