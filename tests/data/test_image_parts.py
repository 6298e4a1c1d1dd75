import numpy as np
import pytest

from tests.data.image_files import source_in_memory
from tfpt.data.image_parts import assign_parts, fingerprint, thin_out
from tfpt.data.listing import DROPPED, UNASSIGNED
from tfpt.data.held_pixels import HeldPixels
from tfpt.data.source import ImageSource
from tfpt.errors import DataError

NAMES = ("ants", "bees")


def source_of(labels, hashes) -> ImageSource:
    return ImageSource(np.array(labels, np.int32), tuple(f"{i}.png" for i in range(len(labels))),
                       tuple(name * 64 for name in hashes),
                       pixels=HeldPixels(np.zeros((len(labels), 1, 1, 3), np.uint8)))


def test_copies_leave_the_weaker_part_and_contradictions_leave_all():
    source = source_of([0, 0, 1, 1, 0, 1, 0], "abcdaee")
    given = np.array([0, 0, 0, 2, 2, 0, 2], np.int8)
    parts, left_out = assign_parts(source, given, NAMES, (1, 0, 0), seed=0)
    assert parts.tolist() == [DROPPED, 0, 0, 2, 2, DROPPED, DROPPED]
    assert [(entry.path, entry.why) for entry in left_out] == [
        ("5.png", "the same image also stands under class ants: 6.png"),
        ("6.png", "the same image also stands under class bees: 5.png"),
        ("0.png", "the same image also stands in test: 4.png")]


def test_a_missing_validation_part_is_drawn_from_train_alone():
    source = source_in_memory(16)
    source.labels[:] = np.repeat([0, 1], 8)
    given = np.array(([0] * 6 + [2] * 2) * 2, np.int8)
    parts, left_out = assign_parts(source, given, NAMES, (2 / 3, 1 / 3, 0), seed=0)
    assert not left_out
    assert np.array_equal(parts == 2, given == 2)
    assert [np.sum(parts[:8] == part) for part in range(3)] == [4, 2, 2]


def test_thin_out_drops_from_train_only():
    source = source_in_memory(30)
    source.labels[:] = np.arange(30) % 2
    parts = np.repeat(np.array([0, 1, 2], np.int8), 10)
    thinned = thin_out(source, parts, 3, seed=0, class_names=NAMES)
    assert np.bincount(source.labels[thinned == 0]).tolist() == [3, 3]
    assert np.array_equal(thinned[10:], parts[10:]) and np.sum(thinned == DROPPED) == 4


def test_fingerprint_sees_content_label_and_part_but_not_order():
    source, parts = source_of([0, 1, 1], "abc"), np.array([0, 1, 2])
    whole = fingerprint(source, parts)
    assert whole == fingerprint(source.subset([2, 0, 1]), parts[[2, 0, 1]])
    others = [fingerprint(source_of([0, 1, 1], "abd"), parts), fingerprint(source_of([0, 1, 0], "abc"), parts),
              fingerprint(source, np.array([0, 2, 1])), fingerprint(source, np.array([0, 1, DROPPED]))]
    assert len({whole, *others}) == 5


def test_too_few_images_say_which_copies_dont_count():
    source = source_of([0, 1, 1], "aab")
    with pytest.raises(DataError, match="ants has 0 .* 2 copies don't count: 0.png, the same image also stands under "
                                        "class bees: 1.png"):
        assign_parts(source, np.full(3, UNASSIGNED, np.int8), NAMES, (1, 0, 0), seed=0)
