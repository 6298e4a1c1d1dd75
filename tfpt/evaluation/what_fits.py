"""Calls on as many examples at once as memory has room for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfpt.errors import TrainingFailed
from tfpt.training.memory import is_out_of_memory


class InWhatFits:
    """``call`` on half as many rows at once, from then on, whenever there is too little memory.

    ``call(rows, *others)`` returns tensors that have what belongs to the rows, or to several of them, one below the
    other; ``others`` are the same for all rows. ``most`` is how many rows are tried at first; 0: all that come.
    """

    def __init__(self, call: Callable[..., Any], most: int = 0):
        self._call, self._most = call, most

    def __call__(self, rows: Any, *others: Any) -> Any:
        """What ``call`` returns, as NumPy arrays joined along their first axis.

        Raises:
            TrainingFailed: there is too little memory for a single row.
        """
        self._most = self._most or len(rows)
        while True:
            try:
                parts = [self._part(rows[start:start + self._most], *others)
                         for start in range(0, len(rows), self._most)]
                return tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *parts)
            except Exception as problem:
                if not is_out_of_memory(problem):
                    raise
                if self._most == 1:
                    raise TrainingFailed("Out of memory with a single example at once. Give the process more memory, "
                                         "or train a smaller model or one of smaller inputs.") from problem
                self._most //= 2

    def _part(self, rows: Any, *others: Any) -> Any:
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), self._call(rows, *others))
