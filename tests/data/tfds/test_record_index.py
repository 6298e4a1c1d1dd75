import os

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tests.data.tfds.prepared_sets import CLASSES, pictures, prepare, shard_files
from tfpt.data.notes import list_notes
from tfpt.data.tfds import record_index
from tfpt.data.tfds.features import Columns
from tfpt.data.tfds.record_index import NO_LABEL, RecordIndex
from tfpt.data.tfds.shards import split_shards
from tfpt.errors import DataError

COLUMNS = Columns("image", "label", CLASSES)
HASH = "ab" * 32


def index_of(folder, columns=COLUMNS, split="train", number=0) -> RecordIndex:
    return RecordIndex(split_shards(tfds.builder_from_directory(folder), split)[number], columns)


@pytest.fixture
def settled(monkeypatch):
    monkeypatch.setattr(record_index, "SETTLED_SECONDS", -1.0)


@pytest.fixture
def no_scan(monkeypatch):
    """Makes reading through a shard an error."""
    def forbid():
        def scan(*_):
            raise AssertionError("the shard was read through")
        monkeypatch.setattr(record_index, "_make_rows", scan)
    return forbid


def test_every_image_and_label_is_found(tmp_path):
    for file_format in ("tfrecord", "array_record"):
        examples = pictures(7)
        folder = prepare(tmp_path / file_format, {"train": examples}, file_format=file_format, shards=1)
        index = index_of(folder)
        found = [(index.contents(number), int(row["label"])) for number, row in enumerate(index.rows)]
        assert sorted(found) == sorted((example["image"], example["label"]) for example in examples)
        assert index.known(0) is None


def test_an_image_that_also_stands_elsewhere_in_its_record_is_read_right(tmp_path):
    image = pictures(1)[0]["image"]
    features = {"a": tfds.features.Text(), "image": tfds.features.Image(), "z": tfds.features.Image(),
                "label": tfds.features.ClassLabel(num_classes=3)}
    folder = prepare(tmp_path, {"train": [{"a": "image", "image": image, "label": 2, "z": image}]}, features=features,
                     shards=1)
    assert index_of(folder).contents(0) == image


def test_later_runs_read_the_index_alone(tmp_path, settled, no_scan):
    folder = prepare(tmp_path)
    first = index_of(folder)
    first.remember(2, HASH, True)
    first.remember(3, "cd" * 32, False)
    first.save()
    no_scan()
    again = index_of(folder)
    assert np.array_equal(again.rows, first.rows)
    assert again.known(2) == (HASH, True) and again.known(3) == ("cd" * 32, False) and again.known(1) is None
    (_, size, _), = list_notes()
    assert 9 * 57 < size < 3000


def test_what_is_unchanged_is_not_written_again(tmp_path, settled):
    folder = prepare(tmp_path)
    first = index_of(folder)
    first.remember(2, HASH, True)
    first.save()
    (note, _, _), = list_notes()
    os.utime(note, (1, 1))
    again = index_of(folder)
    again.remember(2, HASH, True)
    again.save()
    assert os.stat(note).st_mtime == 1
    again.remember(2, HASH, False)
    again.save()
    assert os.stat(note).st_mtime > 1


def test_a_shard_that_was_just_written_is_not_kept(tmp_path):
    folder = prepare(tmp_path)
    index_of(folder).save()
    assert not list(list_notes())


@pytest.mark.parametrize("change", ["touched", "replaced", "other columns", "other count"])
def test_a_stale_index_is_made_again(tmp_path, settled, no_scan, change):
    folder = prepare(tmp_path)
    index_of(folder).save()
    columns, (file, _) = COLUMNS, shard_files(folder)
    if change == "touched":
        os.utime(file)
    elif change == "replaced":
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content)
    elif change == "other columns":
        columns = Columns("image", None, ())
    else:
        text = (folder / "dataset_info.json").read_text()
        (folder / "dataset_info.json").write_text(text.replace('"9"', '"8"', 1))
    no_scan()
    with pytest.raises(AssertionError, match="read through"):
        index_of(folder, columns)


def test_another_version_of_a_decoder_makes_the_images_unknown(tmp_path, settled, no_scan, monkeypatch):
    folder = prepare(tmp_path)
    first = index_of(folder)
    first.remember(2, HASH, True)
    first.save()
    no_scan()
    monkeypatch.setattr(tf, "__version__", "2.99")
    assert index_of(folder).known(2) is None


@pytest.mark.parametrize("damage", [
    lambda content: b"", lambda content: content[:-30], lambda content: b"PK" + bytes(100),
    lambda content: content.replace(b"rows", b"cols"), lambda content: bytes([content[0] ^ 1]) + content[1:]])
def test_a_damaged_index_is_made_again(tmp_path, settled, damage):
    folder = prepare(tmp_path)
    first = index_of(folder)
    first.save()
    (note, _, _), = list_notes()
    note.write_bytes(damage(note.read_bytes()))
    assert np.array_equal(index_of(folder).rows, first.rows)


@pytest.mark.parametrize("column, value", [("offset", -5), ("length", -1), ("length", 2**62), ("offset", 2**62),
                                           ("state", 9)])
def test_an_index_that_leads_nowhere_is_made_again(tmp_path, settled, column, value):
    folder = prepare(tmp_path)
    first = index_of(folder)
    right = first.rows.copy()
    first.rows[column][4] = value
    first.save()
    assert np.array_equal(index_of(folder).rows, right)


def test_a_cache_that_can_not_be_written_costs_a_pass_alone(tmp_path, settled, own_cache):
    own_cache.write_text("in the way")
    index_of(prepare(tmp_path)).save()


def write_record(folder, **features) -> None:
    """One record of these features in place of all."""
    file, = shard_files(folder)
    example = tf.train.Example(features=tf.train.Features(feature=features))
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(example.SerializeToString())


def bytes_feature(*values: bytes):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


@pytest.mark.parametrize("images", [(), (b"a", b"b")])
def test_a_record_without_one_image_is_told(tmp_path, images):
    folder = prepare(tmp_path, {"train": pictures(1)}, shards=1)
    write_record(folder, image=bytes_feature(*images))
    with pytest.raises(DataError, match=f"record 0 holds {len(images)} images as image, one was expected"):
        index_of(folder)


def test_a_record_that_is_no_example_is_told(tmp_path):
    folder = prepare(tmp_path, {"train": pictures(1)}, shards=1)
    file, = shard_files(folder)
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(b"\xff\xff\xff")
    with pytest.raises(DataError, match="record 0 is no tf.train.Example"):
        index_of(folder)


def test_a_record_without_a_label_has_none(tmp_path):
    folder = prepare(tmp_path, {"train": pictures(1)}, shards=1)
    write_record(folder, image=bytes_feature(b"picture"))
    assert index_of(folder).rows["label"].tolist() == [NO_LABEL]
