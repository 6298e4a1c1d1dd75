import numpy as np
import pytest
import tensorflow as tf

from tests.data.tfds.prepared_sets import SPLITS
from tfpt.data.normalise import normalised_path
from tfpt.data.tfds.layout import read_tfds
from tfpt.errors import DataError


@pytest.fixture
def records(data_dir):
    return read_tfds("tfds:shapes@train", str(data_dir)).parts["all"].records


def test_images_are_read_in_any_order(records):
    stored = [records.stored(index) for index in range(len(records))]
    assert sorted(stored) == sorted(example["image"] for example in SPLITS["train"])
    chosen = np.array([17, 0, 9, 9])
    some = records.subset(chosen)
    assert [some.stored(i) for i in range(4)] == [some.read(i) for i in range(4)] == [stored[i] for i in chosen]
    joined = some.joined([records.subset(np.array([3]))])
    assert len(joined) == 5 and joined.stored(4) == stored[3]
    assert [some.stored_bytes(i) for i in range(4)] == [len(stored[i]) for i in chosen]


def test_tensorflow_reads_the_same(records):
    indices = np.array([4, 13, 4])
    rows = tf.data.Dataset.from_tensor_slices({"place": records.column(indices), "other": indices})
    found = [(records.contents(row["place"]).numpy(), int(row["other"])) for row in records.rows(rows, "place")]
    assert found == [(records.stored(i), i) for i in indices]


def test_a_converted_image_is_read_from_its_png(records, own_cache):
    content_hash = "ab" * 32
    records.remember(5, content_hash, True)
    records.remember(6, content_hash, False)
    assert records.converted == 1 and records.known(5) == (content_hash, True)
    with pytest.raises(DataError, match="was made when the data were read, but can't be read now: No such file"):
        records.read(5)
    normalised_path(content_hash).parent.mkdir(parents=True)
    normalised_path(content_hash).write_bytes(b"png")
    assert records.read(5) == b"png" and records.read(6) == records.stored(6) != b"png"
    assert records.subset(np.array([5])).read(0) == b"png"
