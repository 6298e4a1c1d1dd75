import numpy as np
import pytest

from tfpt.data.held_pixels import HeldPixels, empty_pixels


def numbered(count=5):
    array = empty_pixels((count, 2, 2, 3))
    array[:] = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return array


def test_a_subset_of_a_subset_has_the_images_at_its_places():
    part = HeldPixels(numbered()).subset([4, 0, 2]).subset([2, 0])
    assert part.shape == (2, 2, 2, 3) and len(part) == 2
    assert np.asarray(part)[:, 0, 0, 0].tolist() == [2, 4] and part[1][0, 0, 0] == 4
    assert part.tensor.numpy()[part.rows][:, 0, 0, 0].tolist() == [2, 4]


def test_tensorflow_shares_the_memory():
    array = numbered()
    held = HeldPixels(array)
    tensor = held.tensor
    array[3] = 99  # nobody does so; it shows that there is no copy
    assert tensor[3, 0, 0, 0].numpy() == 99 and held.subset([3]).tensor is tensor


@pytest.mark.parametrize("make", [
    lambda: np.frombuffer(bytes(24), np.uint8).reshape(2, 2, 2, 3),
    lambda: np.zeros((2, 2, 2, 3), np.uint8)[:, ::-1], lambda: empty_pixels((0, 2, 2, 3))],
    ids=["read only", "not in one piece", "empty"])
def test_other_memory_is_copied(make):
    array = make()
    assert np.array_equal(HeldPixels(array).tensor.numpy(), array)


def test_it_is_aligned_whatever_was_allocated_before():
    kept = [np.empty(size, np.uint8) for size in range(1, 200, 7)]
    assert all(empty_pixels((size, 3, 3, 1)).ctypes.data % 64 == 0 for size in range(1, 40)) and kept
