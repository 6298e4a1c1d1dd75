"""Encoded images: what the pipeline and the decoder must know of them, and those that are files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf


class EncodedImages(Protocol):
    """Encoded images, by index, that ``decode_image`` reads as Pillow does."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes:
        """Raises OSError or DataError: it can't be read any more."""

    def column(self, indices: np.ndarray) -> np.ndarray:
        """A value for each of the images at ``indices``, from which ``rows`` and ``contents`` find it."""

    def rows(self, rows: tf.data.Dataset, name: str) -> tf.data.Dataset:
        """``rows``, dicts whose ``name`` holds a value of ``column``, ready for ``contents``."""

    def contents(self, value: tf.Tensor) -> tf.Tensor:
        """The bytes, a string scalar."""


class EncodedFiles:
    """Images that are files."""

    def __init__(self, paths: Sequence[str]):
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, index: int) -> bytes:
        """Raises OSError: it can't be read."""
        return Path(self._paths[index]).read_bytes()

    def column(self, indices: np.ndarray) -> np.ndarray:
        """The paths, as bytes: a file's name need not be valid UTF-8."""
        return np.array([os.fsencode(self._paths[i]) for i in indices], dtype=object)

    def rows(self, rows: tf.data.Dataset, name: str) -> tf.data.Dataset:
        """``rows``, as they are: files are read where they are decoded."""
        return rows

    def contents(self, value: tf.Tensor) -> Any:
        """What stands in a file."""
        return tf.io.read_file(value)
