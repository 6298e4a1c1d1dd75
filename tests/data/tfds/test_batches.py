"""Batches of a data set are functions of its contents, the seed and the epoch: a run that stops can go on."""

import hashlib

import numpy as np
import pytest

from tests.data.tfds.prepared_sets import FORMATS, SPLITS, prepare
from tfpt.config.image_classification import AugmentConfig, ImageDataConfig
from tfpt.data import check
from tfpt.data.image_pipeline import eval_batches, train_batches
from tfpt.data.image_splits import image_splits
from tfpt.data.tfds import record_index
from tfpt.errors import ConfigError

AUGMENT = AugmentConfig(rotation=0.1)


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """What was just written is kept nevertheless."""
    monkeypatch.setattr(record_index, "SETTLED_SECONDS", -1.0)


def splits_of(data_dir, memory_mb=0, path="tfds:shapes"):
    return image_splits(ImageDataConfig(path=path, data_dir=str(data_dir), image_size=16, memory_mb=memory_mb), seed=3)


def batches(splits, first_step=0):
    found = train_batches(splits.train, image_size=16, augment=AUGMENT, seed=5, data_seed=3, epoch=2,
                          first_step=first_step, batch_size=4)
    return [(batch["image"].numpy(), batch["label"].numpy()) for batch in found]


def same(one, other) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for pair in zip(one, other, strict=True)
                                          for a, b in zip(*pair, strict=True))


@pytest.mark.parametrize("memory_mb", [0, 10])
def test_batches_go_on_from_any_step_when_all_is_read_again(tmp_path, monkeypatch, memory_mb):
    prepare(tmp_path)
    first = splits_of(tmp_path, memory_mb)
    whole = batches(first)
    monkeypatch.setattr(record_index, "_make_rows", None)  # from here on the notes are all there is
    monkeypatch.setattr(check, "ImageWorkers", None)
    again = splits_of(tmp_path, memory_mb)
    assert again.fingerprint == first.fingerprint
    assert same(batches(again), whole) and same(batches(again, first_step=2), whole[2:])


def test_the_format_of_the_files_changes_nothing(tmp_path):
    found = []
    for file_format in FORMATS:
        prepare(tmp_path / file_format, file_format=file_format)
        found.append(splits_of(tmp_path / file_format))
    one, other = found
    assert one.fingerprint == other.fingerprint and one.summary == other.summary
    assert same(batches(one), batches(other))
    assert one.train.hashes == other.train.hashes


def test_a_set_has_the_fingerprint_of_the_same_images_in_folders(tmp_path):
    prepare(tmp_path / "sets", {"train": SPLITS["train"]})
    for number, example in enumerate(SPLITS["train"]):
        folder = tmp_path / "folders" / ("birds", "flowers", "insects")[example["label"]]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(example["image"])
    one = splits_of(tmp_path / "sets")
    other = image_splits(ImageDataConfig(path=str(tmp_path / "folders"), image_size=16), seed=3)
    assert one.fingerprint == other.fingerprint and sorted(one.test.hashes) == sorted(other.test.hashes)


def test_every_image_is_seen_once(tmp_path):
    prepare(tmp_path)
    splits = splits_of(tmp_path)
    assert splits.summary == "tfds:shapes:1.2.0 · 3 classes · 24 images: 15 train, 3 validation, 6 test"
    shown = [image for batch in eval_batches(splits.test, image_size=16, batch_size=4) for image in batch["image"]]
    assert len(shown) == 6 and len({hashlib.sha256(image.numpy()).hexdigest() for image in shown}) == 6
    sums = {hashlib.sha256(example["image"]).hexdigest() for example in SPLITS["test"]}
    assert set(splits.test.hashes) == sums


def test_a_folder_of_sets_is_refused_with_other_data(tmp_path):
    with pytest.raises(ConfigError, match="Name one of those as tfds:NAME, or leave data.data_dir out"):
        splits_of(tmp_path, path=str(tmp_path))
