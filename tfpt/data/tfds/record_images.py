"""Images in the records of a data set, by index: where they are is known, what they hold is read when it is needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpt.data.normalise import normalised_path
from tfpt.data.tfds.record_index import RecordIndex
from tfpt.errors import DataError


class RecordImages:
    """Some of the images of a data set, in an order of their own.

    As ``EncodedImages`` it gives the bytes that ``decode_image`` reads as Pillow does: those of the record, or of the
    PNG made from them.
    """

    def __init__(self, indices: Sequence[RecordIndex], shards: np.ndarray, numbers: np.ndarray):
        """``shards`` and ``numbers``, int64 ``[n]``: of each image the place in ``indices`` and the record's number."""
        self._indices, self._shards, self._numbers = indices, shards, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def subset(self, chosen: np.ndarray) -> "RecordImages":
        """The images at the places ``chosen``, in that order."""
        return RecordImages(self._indices, self._shards[chosen], self._numbers[chosen])

    def joined(self, others: Sequence["RecordImages"]) -> "RecordImages":
        """These images, then those of ``others``, of the same data set."""
        assert all(other._indices is self._indices for other in others)
        return RecordImages(self._indices, np.concatenate([self._shards, *(other._shards for other in others)]),
                            np.concatenate([self._numbers, *(other._numbers for other in others)]))

    def stored(self, index: int) -> bytes:
        """The bytes of the record. Raises DataError: they can't be read."""
        found, number = self._at(index)
        return found.contents(number)

    def stored_bytes(self, index: int) -> int:
        """How many ``stored`` gives."""
        found, number = self._at(index)
        return int(found.rows[number]["length"])

    def known(self, index: int) -> tuple[str, bool] | None:
        """The sha256 of ``stored`` and whether it had to be converted, if it was found good before."""
        found, number = self._at(index)
        return found.known(number)

    def remember(self, index: int, content_hash: str, converted: bool) -> None:
        """An image is good."""
        found, number = self._at(index)
        found.remember(number, content_hash, converted)

    def save(self) -> None:
        """Keep for later runs what is known."""
        for place in np.unique(self._shards):
            self._indices[place].save()

    @property
    def converted(self) -> int:
        """How many images are read from a PNG that was made from them."""
        return sum(known is not None and known[1] for known in map(self.known, range(len(self))))

    def read(self, index: int) -> bytes:
        """Raises DataError: the image can't be read any more."""
        known = self.known(index)
        if known is None or not known[1]:
            return self.stored(index)
        try:
            return Path(normalised_path(known[0])).read_bytes()
        except OSError as error:
            raise DataError(f"{normalised_path(known[0])} was made when the data were read, but can't be read now: "
                            f"{error.strerror or error}.") from error

    def column(self, indices: np.ndarray) -> np.ndarray:
        """The indices themselves."""
        return np.asarray(indices, np.int64)

    def rows(self, rows: tf.data.Dataset, name: str) -> tf.data.Dataset:
        """``rows`` with the bytes in place of the index. Python reads them, in a step of its own: with determinism on,
        tf.data runs a step that calls Python one element after the other, and decoding shall not wait for that.
        """
        def read(row: dict[str, tf.Tensor]) -> dict[str, Any]:
            contents = tf.numpy_function(lambda index: self.read(int(index)), [row[name]], tf.string)
            return {**row, name: tf.ensure_shape(contents, [])}

        return rows.map(read)

    def contents(self, value: tf.Tensor) -> tf.Tensor:
        """What ``rows`` has put there."""
        return value

    def _at(self, index: int) -> tuple[RecordIndex, int]:
        return self._indices[int(self._shards[index])], int(self._numbers[index])
