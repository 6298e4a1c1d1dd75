"""Row numbers by key, for millions of keys that come in batches."""

import numpy as np

from tfpt.data.row_segments import KEY_BYTES


class KeyIndex:
    """Keys in sorted pieces. Readers need no lock: the tuple of pieces is replaced, never changed."""

    def __init__(self) -> None:
        self._pieces: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def add(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """``keys``: uint8 ``[n, KEY_BYTES]``; ``rows``: int64 ``[n]``. Of a key's rows, any one may be found."""
        if not len(keys):
            return
        pieces, names = list(self._pieces), _comparable(keys)
        # Merging only what is of like size lets each key move a few times in all, however many batches there are.
        while pieces and len(pieces[-1][0]) <= 2 * len(names):
            earlier_names, earlier_rows = pieces.pop()
            names, rows = np.concatenate([earlier_names, names]), np.concatenate([earlier_rows, rows])
        order = np.argsort(names, kind="stable")
        self._pieces = (*pieces, (names[order], rows[order]))

    def find(self, keys: np.ndarray) -> np.ndarray:
        """int64 ``[n]``: a row of each of the ``keys``, uint8 ``[n, KEY_BYTES]``; -1 where there is none."""
        names, found = _comparable(keys), np.full(len(keys), -1, np.int64)
        for piece, rows in self._pieces:
            missing = np.flatnonzero(found < 0)
            places = np.minimum(np.searchsorted(piece, names[missing]), len(piece) - 1)
            hit = piece[places] == names[missing]
            found[missing[hit]] = rows[places[hit]]
        return found


def _comparable(keys: np.ndarray) -> np.ndarray:
    """One item per key. NumPy sorts byte strings twice as fast as void; that it doesn't tell ``a`` from ``a\\0`` does
    no harm, as all keys are of one length."""
    return np.ascontiguousarray(keys).view(f"S{KEY_BYTES}").reshape(-1)
