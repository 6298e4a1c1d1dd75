"""The order of an epoch and the view of each image: pure functions, the same on every platform and numpy version.

Both rest on ``SeedSequence`` and raw Philox words, which numpy promises not to change; ``Generator.permutation``
carries no such promise.
"""

import numpy as np

# Keeps the streams apart: the same (seed, epoch) must not give related orders and views.
_ORDER, _VIEW = 1, 2


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which ``epoch`` visits the examples: an int64 permutation of ``0 … count - 1``."""
    words = np.random.Philox(key=_key(_ORDER, seed, epoch)).random_raw(count)
    return np.argsort(words, kind="stable").astype(np.int64)


def view_numbers(example_ids: np.ndarray, seed: int, epoch: int, views: int) -> np.ndarray:
    """Which view of each example ``epoch`` trains on, uniform over ``0 … views - 1``.

    Args:
        example_ids: int64 ``[n]``.
        seed: the run's seed.
        epoch: the epoch's number.
        views: how many views there are; 0 means a fresh one every epoch, numbered by the epoch.

    Returns:
        int64 ``[n]``.
    """
    if views == 0:
        return np.full(len(example_ids), epoch, dtype=np.int64)
    key = _key(_VIEW, seed, epoch)
    mixed = _mix(_mix(example_ids.astype(np.uint64) ^ key[0]) ^ key[1])
    return (mixed % np.uint64(views)).astype(np.int64)


def _key(stream: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.SeedSequence([stream, seed, epoch]).generate_state(2, np.uint64)


def _mix(words: np.ndarray) -> np.ndarray:
    """The output function of SplitMix64 (Steele, Lea & Flood 2014), on uint64 ``[n]``."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
