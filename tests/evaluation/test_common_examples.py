import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.told_runs import answers_of, hashes
from tfpt.evaluation.common_examples import common_examples, right
from tfpt.evaluation.stored_predictions import StoredPredictions


def predictions(examples, trained_on=(), labels=None):
    labels = [number % 2 for number in range(len(examples))] if labels is None else labels
    return StoredPredictions(answers_of(labels, [True] * len(examples)), hashes(examples), hashes(trained_on))


def counts(common):
    return (len(common.first), common.first_trained_on, common.second_trained_on, common.only_first, common.only_second,
            common.labelled_differently)


def test_examples_are_found_by_their_content_wherever_they_stand():
    first, second = predictions("abcd", labels=[0, 1, 0, 1]), predictions("dxbca", labels=[1, 0, 1, 0, 0])
    common = common_examples(first, ["a", "b"], second, ["a", "b"])
    assert counts(common) == (4, 0, 0, 0, 1, 0)
    assert (first.content[common.first] == second.content[common.second]).all()


def test_what_the_other_run_was_trained_on_is_left_out_and_counted():
    first, second = predictions("abcdef", trained_on="uvw"), predictions("abuvxy", trained_on="cde")
    assert counts(common_examples(first, "xy", second, "xy")) == (2, 2, 3, 1, 2, 0)


def test_even_if_it_is_in_both_tests():
    first, second = predictions("abcd", trained_on="b"), predictions("abcd")
    assert counts(common_examples(first, "xy", second, "xy")) == (3, 1, 0, 1, 0, 0)


def test_copies_within_a_test_count_once():
    assert counts(common_examples(predictions("aabc"), "xy", predictions("accc", labels=[0, 1, 1, 1]), "xy"))[0] == 2


def test_classes_are_compared_by_name():
    first, second = predictions("abc", labels=[0, 1, 1]), predictions("abc", labels=[1, 0, 1])
    common = common_examples(first, ["cat", "dog"], second, ["dog", "cat"])
    assert counts(common) == (2, 0, 0, 0, 0, 1) and sorted(common.first) == [0, 1]


def test_right_is_asked_of_the_places():
    said = StoredPredictions(answers_of([0, 1, 0], [True, False, True]), hashes("abc"), hashes(""))
    assert list(right(said, np.array([1, 2]))) == [False, True]


@given(*[st.sets(st.integers(0, 12)) for _ in range(4)])
def test_they_are_what_sets_say(ours, theirs, ours_trained, theirs_trained):
    ours_trained -= ours
    theirs_trained -= theirs
    if not ours or not theirs:
        return
    first = predictions(sorted(ours), sorted(ours_trained), labels=[0] * len(ours))
    second = predictions(sorted(theirs), sorted(theirs_trained), labels=[0] * len(theirs))
    left, other = ours - theirs_trained, theirs - ours_trained
    assert counts(common_examples(first, "xy", second, "xy")) == (
        len(left & other), len(theirs & ours_trained), len(ours & theirs_trained), len(left - other), len(other - left),
        0)
