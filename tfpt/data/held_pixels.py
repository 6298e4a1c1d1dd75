"""Decoded images in memory: one array, shared by NumPy, TensorFlow and the parts of a data set."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

_ALIGNMENT = 64
"""Bytes; TensorFlow takes over memory that begins at a multiple, and copies other."""


class HeldPixels:
    """Some images of an array, in an order of their own: uint8 ``[n, height, width, 1 or 3]``, without a copy of them.

    Fresh pages of memory cost more than what is written to them, so a data set is held once, however it is split.
    """

    def __init__(self, array: np.ndarray, rows: np.ndarray | None = None, whole: "_Whole | None" = None):
        """``rows``, int64 ``[n]``: which images of ``array``; all of them by default."""
        self.rows = np.arange(len(array), dtype=np.int64) if rows is None else rows
        self._whole = whole or _Whole(array)

    @property
    def shape(self) -> tuple[int, ...]:
        """As that of the array that ``numpy.asarray`` makes of it."""
        return (len(self.rows), *self._whole.array.shape[1:])

    @property
    def tensor(self) -> tf.Tensor:
        """The whole array, of which these images are ``rows``: the same tensor for all parts of a data set."""
        return self._whole.tensor

    def subset(self, chosen: np.ndarray | Sequence[int]) -> "HeldPixels":
        """The images at the places ``chosen``, in that order."""
        return HeldPixels(self._whole.array, self.rows[np.asarray(chosen, np.int64)], self._whole)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> np.ndarray:
        """The image at a place, or those at an array of places."""
        return self._whole.array[self.rows[place]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._whole.array[self.rows], dtype)


class _Whole:
    def __init__(self, array: np.ndarray):
        self.array = array

    @cached_property
    def tensor(self) -> tf.Tensor:
        if self.array.ctypes.data % _ALIGNMENT == 0 and self.array.size and self.array.flags.writeable:
            return tf.experimental.dlpack.from_dlpack(self.array.__dlpack__())  # the same memory
        with tf.device("CPU"):
            return tf.constant(self.array)


def empty_pixels(shape: tuple[int, ...]) -> np.ndarray:
    """A uint8 array to be filled, in memory that TensorFlow can share."""
    size = math.prod(shape)
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first:first + size].reshape(shape)
