import numpy as np
import pytest

from tests.data.image_files import photo, save_photo, source_in_memory
from tfpt.data.held_pixels import HeldPixels
from tfpt.data.source import ImageSource


def test_load_gives_three_channels_from_memory_and_from_a_file(tmp_path):
    grey = source_in_memory(4, channels=1)
    assert grey.load(2).shape == (8, 8, 3)
    assert np.array_equal(grey.load(2)[..., 1], grey.pixels[2][..., 0])
    path = save_photo(tmp_path / "a.png")
    stored = ImageSource(np.array([0], np.int32), ("a.png",), ("00" * 32,), paths=(str(path),))
    assert np.array_equal(stored.load(0), photo(0, 9, 12))


def test_subset_keeps_columns_together():
    source = source_in_memory(6)
    part = source.subset([4, 1])
    assert len(part) == 2 and part.names == ("image 4", "image 1")
    assert np.array_equal(part.pixels, source.pixels[[4, 1]])
    assert np.array_equal(part.labels, source.labels[[4, 1]])
    assert part.content_hash(0) == source.hashes[4]
    assert np.array_equal(part.example_ids, source.example_ids[[4, 1]])
    assert len(source.subset([])) == 0 and source.subset([]).example_ids.shape == (0,)


def test_example_ids_come_from_the_hash_and_are_not_negative():
    hashes = ("ff" * 32, "00" * 7 + "02" + "ab" * 24)
    source = ImageSource(np.zeros(2, np.int32), ("a", "b"), hashes, pixels=HeldPixels(np.zeros((2, 1, 1, 3), np.uint8)))
    assert source.example_ids.dtype == np.int64
    assert source.example_ids.tolist() == [2**63 - 1, 1]


def test_columns_of_other_lengths_and_no_images_are_refused():
    with pytest.raises(ValueError, match="expected 2 hashes"):
        ImageSource(np.zeros(2, np.int32), ("a", "b"), ("00" * 32,), paths=("a", "b"))
    with pytest.raises(ValueError, match="paths, records or pixels"):
        ImageSource(np.zeros(0, np.int32), (), ())


def test_parts_share_one_tensor_of_pixels():
    source = source_in_memory(3)
    part = source.subset([2, 0])
    assert part.held.tensor is source.held.tensor
    assert np.array_equal(source.held.tensor.numpy()[part.held.rows], part.pixels)
