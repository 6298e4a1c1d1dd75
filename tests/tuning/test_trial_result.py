import dataclasses
import math

import pytest

from tests.tuning.results import completed, failed
from tfpt.tuning.trial_result import best_result


@pytest.mark.parametrize(("direction", "number"), [("max", 3), ("min", 2)])
def test_the_best_is_completed_and_the_first_of_equals(direction, number):
    running = dataclasses.replace(completed(6, 0.99), status="running")
    undefined = dataclasses.replace(completed(7, 0.5), score=math.nan)
    results = [undefined, failed(1), *(completed(2 + place, score) for place, score in enumerate((0.1, 0.9, 0.9, 0.1))),
               running]
    assert best_result(results, direction).number == number


def test_without_a_completed_trial_there_is_no_best():
    assert best_result([], "max") is None and best_result([failed(1)], "min") is None
