import json

import keras_tuner
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpt.config.search_space import Dimension
from tfpt.tuning.hyperparameters import hyperparameters, settings_of

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
KINDS = (st.integers(), st.integers(0, 40), FLOATS, st.booleans(), st.text(max_size=5),
         st.none() | st.booleans() | st.integers(-9, 9) | FLOATS | st.text(max_size=5)
         | st.sampled_from(["5", "null", "true", "ä"]) | st.lists(st.integers(0, 9), max_size=2))
PROBABILITIES = st.floats(0, 1)


@st.composite
def choices(draw):
    values = draw(st.lists(draw(st.sampled_from(KINDS)), min_size=1, max_size=5, unique_by=json.dumps))
    return {"values": tuple(value + 0.0 if type(value) is float else value for value in values)}


@st.composite
def ranges(draw):
    whole, sampling = draw(st.booleans()), draw(st.sampled_from(["linear", "log"]))
    number = st.integers if whole else st.floats
    if sampling == "log":
        low = draw(number(1, 50) if whole else number(1e-6, 1))
        high = low * draw(number(2, 1000))
        step = draw(st.none() | number(2, high // low if whole else high / low))
    else:
        low = draw(number(-1000, 1000))
        width = draw(number(1, 1000))
        high, step = low + width, draw(st.none() | number(1, width) if whole else st.none() | number(width / 50, width))
    return {"low": low, "high": high, "step": step, "sampling": sampling, "whole": whole}


def spaces():
    return st.lists(choices() | ranges(), min_size=1, max_size=4).map(
        lambda found: [Dimension(f"section.field{number}", **each) for number, each in enumerate(found)])


def sent(found):
    message = found.to_proto()
    return keras_tuner.HyperParameters.from_proto(type(message).FromString(message.SerializeToString()))


def stored(found):
    return keras_tuner.HyperParameters.from_config(json.loads(json.dumps(found.get_config())))


@settings(deadline=None, max_examples=300)
@given(spaces(), st.data())
def test_any_value_is_the_same_after_it_was_stored_and_sent(space, data):
    found = hyperparameters(space)
    for each in found.space:
        found.values[each.name] = each.prob_to_value(data.draw(PROBABILITIES))
    expected = settings_of(space, found.values)
    for dimension in space:
        value = expected[dimension.name]
        if dimension.values:
            assert any(value is each for each in dimension.values)
        else:
            assert dimension.low <= value <= dimension.high and type(value) is (int if dimension.whole else float)
    for copy in (stored(found), sent(found), stored(sent(found)), sent(stored(found))):
        assert json.dumps(settings_of(space, copy.values)) == json.dumps(expected)


@settings(deadline=None, max_examples=100)
@given(choices())
def test_every_value_of_a_list_can_be_had_and_the_first_is_the_default(choice):
    space = [Dimension("a.b", **choice)]
    found = hyperparameters(space)
    assert settings_of(space, found.values) == {"a.b": choice["values"][0]}
    reached = [settings_of(space, {"a.b": value})["a.b"] for value in found.space[0].values]
    assert sorted(map(json.dumps, reached)) == sorted(map(json.dumps, choice["values"]))


def test_texts_that_look_like_other_values_are_kept_apart():
    values = (5, "5", None, "null", True, "true", [128, 64], "[128, 64]", 5.5)
    space = [Dimension("a.b", values=values)]
    found = sent(hyperparameters(space))
    assert [settings_of(space, {"a.b": value})["a.b"] for value in found.space[0].values] == list(values)


@pytest.mark.parametrize(("limits", "expected"), [
    ({"low": 0.0, "high": 0.5, "step": 0.1}, [0, 0.1, 0.2, 0.3, 0.4, 0.5]),
    ({"low": 0.0, "high": 1.0, "step": 0.4}, [0, 0.4, 0.8]),
    ({"low": 0.8, "high": 0.9, "step": 0.1}, [0.8, 0.9]),
    ({"low": 1e-4, "high": 1e-1, "step": 10, "sampling": "log"}, [1e-4, 1e-3, 1e-2, 1e-1]),
    ({"low": 8, "high": 64, "step": 2, "sampling": "log", "whole": True}, [8, 16, 32, 64]),
    ({"low": 1, "high": 6, "step": 2, "whole": True}, [1, 3, 5]),
    ({"low": 1, "high": 4, "whole": True}, [1, 2, 3, 4]),
])
def test_steps_reach_the_highest_value_and_give_round_numbers(limits, expected):
    space = [Dimension("a.b", **limits)]
    assert [settings_of(space, {"a.b": value})["a.b"] for value in hyperparameters(space).space[0].values] == expected


def test_a_whole_number_on_a_log_scale_stays_in_its_range():
    space = [Dimension("a.b", low=1, high=32, sampling="log", whole=True)]
    assert hyperparameters(space).space[0].prob_to_value(1.0) == 33  # what KerasTuner's Bayesian oracle may ask for
    assert settings_of(space, {"a.b": 33}) == {"a.b": 32}


def test_kerastuners_own_values_are_left_out_and_foreign_ones_refused():
    space = [Dimension("a.b", values=(1, 2)), Dimension("a.c", values=("x", 2))]
    assert settings_of(space, {"a.b": 2, "a.c": '"x"', "tuner/epochs": 3}) == {"a.b": 2, "a.c": "x"}
    with pytest.raises(KeyError, match="a.b has no value 3"):
        settings_of(space, {"a.b": 3, "a.c": "2"})
