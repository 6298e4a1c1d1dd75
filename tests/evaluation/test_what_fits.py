import numpy as np
import pytest
import tensorflow as tf

from tfpt.errors import TrainingFailed
from tfpt.evaluation.what_fits import InWhatFits


def doubling(room, seen):
    def call(rows, factor):
        seen.append(len(rows))
        if len(rows) > room:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM")
        return tf.constant(rows) * factor, tf.reduce_sum(rows, keepdims=True)

    return call


@pytest.mark.parametrize("room, most, sizes", [(5, 0, [5]), (5, 2, [2, 2, 1]), (2, 0, [5, 2, 2, 1]),
                                               (1, 4, [4, 2, 1, 1, 1, 1, 1])])
def test_rows_are_joined_whatever_there_is_room_for(room, most, sizes):
    seen: list[int] = []
    rows = np.arange(5.0)
    doubled, sums = InWhatFits(doubling(room, seen), most)(rows, 2.0)
    np.testing.assert_array_equal(doubled, 2 * rows)
    assert sums.sum() == rows.sum() and seen == sizes


def test_what_was_too_much_once_is_not_tried_again():
    seen: list[int] = []
    run = InWhatFits(doubling(2, seen))
    for _ in range(2):
        run(np.arange(4.0), 1.0)
    assert seen == [4, 2, 2, 2, 2]


def test_no_room_for_one_row_and_other_errors():
    with pytest.raises(TrainingFailed, match="a single example at once"):
        InWhatFits(doubling(0, []))(np.arange(3.0), 1.0)
    with pytest.raises(ZeroDivisionError):
        InWhatFits(lambda rows: 1 / 0)(np.arange(3.0))
