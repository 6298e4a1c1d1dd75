from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpt.evaluation.paired_test import holm, mcnemar, paired_test


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_exact_binomial_test(only_first, only_second):
    total, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(comb(total, count) for count in range(fewer + 1)) / 2 ** total
    assert mcnemar(only_first, only_second) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(only_first, only_second) == mcnemar(only_second, only_first)


def test_a_textbook_case():
    assert mcnemar(1, 9) == pytest.approx(22 / 1024) and mcnemar(0, 0) == 1.0


def test_two_classifiers_by_hand():
    first = np.array([True] * 8 + [False] * 2)
    second = np.array([True] * 5 + [False] * 3 + [True, False])
    found = paired_test(first, second)
    assert (found.examples, found.first_accuracy, found.second_accuracy) == (10, 0.8, 0.6)
    assert (found.only_first, found.only_second) == (3, 1) and found.p_value == pytest.approx(10 / 16)
    low, high = found.interval
    assert found.difference == pytest.approx(-0.2) and low < -0.2 < high


def test_the_same_answers_show_no_difference():
    same = np.array([True, False, True])
    found = paired_test(same, same)
    assert (found.p_value, found.difference, found.interval) == (1.0, 0.0, None)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1.0, 1.0] and holm([0.02]) == [0.02] and holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_lowers_nothing(p_values):
    adjusted = holm(p_values)
    assert all(p <= after <= 1 for p, after in zip(p_values, adjusted))
    for small, large in zip(np.argsort(p_values, kind="stable"), np.argsort(p_values, kind="stable")[1:]):
        assert adjusted[small] <= adjusted[large]
