import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tfpt.data.key_index import KeyIndex


def key_array(keys):
    return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)


# Few different bytes, zeros among them: keys that begin or end alike.
KEYS = st.lists(st.lists(st.sampled_from([0, 1, 127, 128, 255]), min_size=16, max_size=16).map(bytes), max_size=8)


@given(st.lists(KEYS, max_size=6), KEYS)
def test_it_finds_what_a_dict_finds(batches, others):
    index, expected, row = KeyIndex(), {}, 0
    for batch in batches:
        index.add(key_array(batch), np.arange(row, row + len(batch)))
        for key in batch:
            expected.setdefault(key, set()).add(row)
            row += 1
        asked = [*expected, *others]
        for key, found in zip(asked, index.find(key_array(asked)).tolist(), strict=True):
            assert found in expected.get(key, {-1})


def test_two_hundred_thousand_keys_in_uneven_batches():
    random = np.random.default_rng(0)
    keys = random.integers(0, 256, (200_000, 16), dtype=np.uint8)
    index, start = KeyIndex(), 0
    for end in [1, 3, 100_000, 100_001, 150_000, 200_000]:
        index.add(keys[start:end], np.arange(start, end))
        start = end
    order = random.permutation(len(keys))
    assert np.array_equal(index.find(keys[order]), order)
    assert (index.find(keys ^ np.uint8(1)) == -1).all()


def test_batches_merge_so_that_few_pieces_are_searched():
    index = KeyIndex()
    for row in range(1000):
        index.add(key_array([row.to_bytes(16, "big")]), np.array([row]))
    assert len(index._pieces) <= 10
