"""The rows of one cut: activations of one visit each, flattened, in memory or on disk."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpt.data.row_files import RowFolder
from tfpt.errors import DataError
from tfpt.task import Visits

_LOADED_AT_ONCE = 64 * 2**20
_FINISHED_SECONDS, _FINISHED_SHARE = 5.0, 0.05
"""How often rows are finished: other processes see them then, and they outlive a process that is killed. Every five
seconds at first; later after a share of the time so far, so that a long training leaves no thousands of files."""


class CutRows:
    """Which visits have a row, and their rows ``[values]`` of ``dtype``.

    A row is found by its part ("train" or "validation"), example and view. In memory the rows lie in one tensor,
    which steps gather from; on disk in a row folder, from which they are read batch by batch.
    """

    def __init__(self, values: int, dtype: tf.DType, parts: Mapping[str, tuple[int, int]], capacity: int | None,
                 folder: RowFolder | None, keeps: bool, signature: str, tell: Callable[[str], None]):
        """Rows of ``values`` numbers.

        Args:
            parts: the number of examples and of views of each part.
            capacity: the most rows that there may be in memory; None: they stay on disk, in ``folder``.
            folder: where rows of earlier runs are, and these are kept for later ones if it ``keeps``.
            signature: what the rows depend on beside the inputs.
            tell: gets a sentence for the user if the folder is damaged or fails.
        """
        self.values, self.dtype, self.folder, self.in_memory = values, dtype, folder, capacity is not None
        self.signature, self._keeps = signature, keeps
        self._tell, self._capacity = tell, capacity or 0
        self._numbers = {part: np.full(shape, -1, np.int64) for part, shape in parts.items()}
        self._filled = 0
        self._damage_told, self._began = 0, time.monotonic()
        self._tell_damage()
        if self.in_memory:
            with tf.device("CPU"):  # the copy to a GPU is a batch's, not the whole cache's
                # Without initial zeros, which would take the memory of rows that may never come; of no fixed length,
                # so that ``close`` can give the memory back though traced functions still hold the variable.
                self._table = tf.Variable(tf.raw_ops.Empty(shape=[capacity, values], dtype=dtype, init=False),
                                          trainable=False, shape=tf.TensorShape([None, values]))

    @property
    def memory_bytes(self) -> int:
        """What the rows may take in memory."""
        return self._capacity * self.values * self.dtype.size

    def numbers(self, part: str, visits: Visits) -> np.ndarray:
        """int64 ``[n]``: the row of each visit, -1 where there is none."""
        return self._numbers[part][visits.index, visits.view]

    def refresh(self) -> bool:
        """Lets other processes see what was put, every few seconds, and sees what they have finished: whether any."""
        pause = max(_FINISHED_SECONDS, _FINISHED_SHARE * (time.monotonic() - self._began))
        if self.folder is not None and self.folder.unfinished_seconds >= pause:
            self.finish()
        return self.folder is not None and self.folder.refresh()

    def load(self, part: str, visits: Visits, keys: np.ndarray) -> int:
        """Take from disk what other runs have left there; returns how many rows that were."""
        if self.folder is None or not len(visits):
            return 0
        found = self.folder.find(keys)
        places = np.flatnonzero((found >= 0) & (self.numbers(part, visits) < 0))
        places = places[self.folder.verified(found[places])]
        self._tell_damage()
        if not self.in_memory:
            self._numbers[part][visits.index[places], visits.view[places]] = found[places]
            return len(places)
        at_once = max(1, _LOADED_AT_ONCE // (self.values * self.dtype.size))
        for start in range(0, len(places), at_once):
            chosen = places[start:start + at_once]
            self._append(part, visits[chosen], self._as_tensor(self.folder.read(found[chosen])))
        return len(places)

    def put(self, part: str, visits: Visits, keys: np.ndarray, rows: tf.Tensor) -> None:
        """Keep ``rows``, ``[n, values]`` of ``dtype``. Visits that have one already are left as they are."""
        new = np.flatnonzero(self.numbers(part, visits) < 0)
        if len(new) < len(visits):
            visits, keys, rows = visits[new], keys[new], tf.gather(rows, new)
        if not len(new):
            return
        if self.folder is not None and self._keeps:
            with self._going_on_in_memory():
                numbers = self.folder.append(keys, np.ascontiguousarray(rows.numpy()).view(np.uint8))
                if not self.in_memory:
                    self._numbers[part][visits.index, visits.view] = numbers
        if self.in_memory:
            self._append(part, visits, rows)

    def gather(self, numbers: tf.Tensor) -> tf.Tensor:
        """In memory: the rows ``[b, values]`` of ``numbers``, int64 ``[b]``; to be used in a graph."""
        return tf.gather(self._table, numbers)

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """On disk: the same, from NumPy to NumPy; safe in many threads."""
        assert self.folder is not None
        return self.folder.read(numbers).view(self.dtype.as_numpy_dtype)

    def finish(self) -> None:
        """What was put so far is whole on disk, for a later run as well."""
        if self.folder is not None:
            with self._going_on_in_memory():
                self.folder.finish()

    def close(self) -> None:
        """Gives the memory back, and leaves what is whole on disk. Nothing may be called afterwards."""
        if self.folder is not None:
            self.folder.close()
        if self.in_memory:
            self._table.assign(tf.zeros([0, self.values], self.dtype))

    def _tell_damage(self) -> None:
        damaged = self.folder.damaged if self.folder is not None else []
        for sentence in damaged[self._damage_told:]:
            self._tell(sentence)
        self._damage_told = len(damaged)

    @contextlib.contextmanager
    def _going_on_in_memory(self) -> Iterator[None]:
        """A disk that fails ends the training only if the rows are nowhere else."""
        try:
            yield
        except DataError as problem:
            if not self.in_memory or self.folder is None:
                raise
            self._tell(f"{problem} This run goes on in memory alone.")
            self.folder.close()
            self.folder = None

    def _append(self, part: str, visits: Visits, rows: tf.Tensor) -> None:
        numbers = np.arange(self._filled, self._filled + len(visits))
        assert self._filled + len(visits) <= self._capacity, "more rows than there is room for"
        # Not as a slice, ``table[a:b].assign``: that reads the table first, so that TensorFlow copies all of it.
        self._table.scatter_update(tf.IndexedSlices(rows, numbers))
        self._numbers[part][visits.index, visits.view] = numbers
        self._filled += len(visits)

    def _as_tensor(self, rows: np.ndarray) -> Any:
        return tf.constant(rows.view(self.dtype.as_numpy_dtype))
