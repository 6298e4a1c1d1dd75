from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpt.data.splits import choose_per_class, label_conflicts, part_overlaps, split_groups
from tfpt.errors import DataError

NAMES = ("ants", "bees", "cats")


@st.composite
def labelled_groups(draw):
    """Labels and hashes of up to three classes, each with at least 3 groups of 1 to 4 identical images, shuffled."""
    images = []
    for label in range(draw(st.integers(1, 3))):
        for group, size in enumerate(draw(st.lists(st.integers(1, 4), min_size=3, max_size=25))):
            images += [(label, f"{label}-{group}")] * size
    images = draw(st.permutations(images))
    return np.array([label for label, _ in images]), [content_hash for _, content_hash in images]


@st.composite
def three_fractions(draw):
    validation, test = draw(st.floats(0.05, 0.45)), draw(st.floats(0.05, 0.45))
    return 1 - validation - test, validation, test


@settings(max_examples=60, deadline=None)
@given(labelled_groups(), three_fractions(), st.integers(0, 1000))
def test_split(images, fractions, seed):
    labels, hashes = images
    parts = split_groups(labels, hashes, fractions, seed)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    sides = [{hashes[i] for i in part} for part in parts]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    for label in np.unique(labels):
        largest = max(Counter(h for h, own in zip(hashes, labels) if own == label).values())
        for part, fraction in zip(parts, fractions):
            found, share = np.sum(labels[part] == label), fraction * np.sum(labels == label)
            assert found >= 1
            # Either within a group of its share, or moved by what "at least one group in each part" takes.
            assert abs(found - share) <= 2 * largest
    again = split_groups(labels, hashes, fractions, seed)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again))


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 60), st.integers(0, 1000))
def test_distinct_images_are_shared_to_within_one(count, seed):
    labels, hashes = np.repeat([0, 1], count), [str(i) for i in range(2 * count)]
    for part, fraction in zip(split_groups(labels, hashes, (0.7, 0.15, 0.15), seed), (0.7, 0.15, 0.15)):
        assert np.abs(np.bincount(labels[part]) - fraction * count).max() <= 1


def test_place_depends_on_content_not_on_the_order_of_files():
    labels, hashes = np.repeat([0, 1], 20), [f"h{i}" for i in range(40)]
    backwards = split_groups(labels[::-1], hashes[::-1], (0.6, 0.2, 0.2), seed=5)
    forwards = split_groups(labels, hashes, (0.6, 0.2, 0.2), seed=5)
    assert [{hashes[i] for i in part} for part in forwards] == [{hashes[39 - i] for i in part} for part in backwards]


def test_seeds_differ_and_a_part_without_share_is_empty():
    labels, hashes = np.zeros(40, int), [f"h{i}" for i in range(40)]
    train, validation, test = split_groups(labels, hashes, (0.8, 0.2, 0), seed=0)
    assert (len(train), len(validation), len(test)) == (32, 8, 0)
    assert set(validation) != set(split_groups(labels, hashes, (0.8, 0.2, 0), seed=1)[1])


def test_too_few_distinct_images_are_named():
    labels, hashes = np.array([0, 0, 0, 1, 1, 1]), ["a", "b", "c", "d", "d", "e"]
    with pytest.raises(DataError, match="class bees has 2 distinct usable images, class cats has 0 distinct usable "
                                        "images; 3 are needed, at least one for train, validation and test"):
        split_groups(labels, hashes, (0.7, 0.15, 0.15), seed=0, class_names=NAMES)
    with pytest.raises(DataError, match="has 1 distinct usable image; 2 are needed, .* train and validation"):
        split_groups(np.array([0]), ["a"], (0.7, 0.3, 0), seed=0)


def test_label_conflicts_name_the_other_copy():
    assert label_conflicts(np.array([0, 1, 0, 1, 1]), ["a", "a", "a", "b", "b"]) == {0: 1, 1: 0, 2: 1}


def test_the_test_part_keeps_its_images_and_the_others_lose_their_copies():
    parts, hashes = np.array([0, 0, 1, 1, 2, 0, 0]), ["a", "b", "b", "c", "c", "c", "d"]
    assert part_overlaps(parts, hashes) == {1: 2, 3: 4, 5: 4}


def test_choose_per_class():
    labels, hashes = np.repeat([0, 1, 2], 10), [f"h{i}" for i in range(30)]
    chosen = choose_per_class(labels, hashes, 4, 0, NAMES)
    assert np.bincount(labels[chosen]).tolist() == [4, 4, 4]
    assert not np.array_equal(chosen, choose_per_class(labels, hashes, 4, 1, NAMES))
    with pytest.raises(DataError, match="11 training images of each class: ants has 10, bees has 10, cats has 10"):
        choose_per_class(labels, hashes, 11, 0, NAMES)
