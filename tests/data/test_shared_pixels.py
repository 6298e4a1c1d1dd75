import mmap
import os

import numpy as np
import pytest

from tfpt.data.held_pixels import HeldPixels
from tfpt.data.shared_pixels import SharedPixels


@pytest.mark.parametrize("by_file", [False, True], ids=["in memory", "where the system has no such files"])
def test_what_others_write_is_there(monkeypatch, by_file):
    if by_file:
        monkeypatch.delattr(os, "memfd_create")
    pixels = SharedPixels((5, 2, 3, 3))
    assert not pixels.array.any() and pixels.row_bytes == 18
    others = mmap.mmap(os.dup(pixels.file.fileno()), 0)
    others[2 * 18:3 * 18] = bytes(range(18))
    assert pixels.array[2].ravel().tolist() == list(range(18)) and pixels.array.sum() == sum(range(18))


def test_tensorflow_takes_the_same_memory():
    pixels = SharedPixels((5, 2, 3, 3))
    tensor = HeldPixels(pixels.array).tensor
    pixels.array[4] = 7
    assert np.array_equal(tensor.numpy(), pixels.array)
