"""A search space in KerasTuner's terms, and the values that it proposes back in the config's."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner

from tfpt.config.search_space import Dimension


def hyperparameters(space: Sequence[Dimension]) -> keras_tuner.HyperParameters:
    """``space`` as KerasTuner searches it, a hyperparameter per dimension under its dotted name."""
    found = keras_tuner.HyperParameters()
    for dimension in space:
        if not dimension.values:
            _add_range(found, dimension)
        elif _is_switch(dimension):
            found.Boolean(dimension.name, default=dimension.values[0])
        else:
            found.Choice(dimension.name, _codes(dimension))
    return found


def settings_of(space: Sequence[Dimension], values: Mapping[str, Any]) -> dict[str, Any]:
    """What ``values`` of a trial's hyperparameters mean: dotted names to config values, a null among them.

    ``tfpt.config.loading.with_values`` takes the result. KerasTuner's own ``tuner/…`` values are left out.

    Raises:
        KeyError: a dimension has no value, or one that ``space`` doesn't hold.
    """
    return {dimension.name: _decoded(dimension, values[dimension.name]) for dimension in space}


def _codes(dimension: Dimension) -> list[Any]:
    """The values of a choice in KerasTuner's terms, which wants them of one type: numbers, or else text."""
    values = list(dimension.values)
    kinds = {type(value) for value in values}
    # Its protocol buffers hold 64 bits.
    if kinds == {float} or kinds == {int} and all(-2 ** 63 <= value < 2 ** 63 for value in values):
        return values
    # JSON tells 5 from "5" and null from "null", and its ASCII passes everywhere.
    return [json.dumps(value) for value in values]


def _is_switch(dimension: Dimension) -> bool:
    return len(dimension.values) == 2 and all(isinstance(value, bool) for value in dimension.values)


def _add_range(found: keras_tuner.HyperParameters, dimension: Dimension) -> None:
    if dimension.whole:
        found.Int(dimension.name, dimension.low, dimension.high, step=dimension.step, sampling=dimension.sampling)
        return
    step, high = dimension.step, dimension.high
    if step is not None and high is not None and dimension.sampling == "linear":
        # KerasTuner counts steps by //, in which 1.0 // 0.1 is 9, and would leave out the highest value.
        high += 1e-6 * step
    found.Float(dimension.name, dimension.low, high, step=None if step is None else float(step),
                sampling=dimension.sampling)


def _decoded(dimension: Dimension, code: Any) -> Any:
    if dimension.values:
        codes = list(dimension.values) if _is_switch(dimension) else _codes(dimension)
        for value, known in zip(dimension.values, codes):
            if known == code:  # 5 == 5.0, so that a number which changed its type on the way is found too
                return value
        raise KeyError(f"{dimension.name} has no value {code!r}")
    assert dimension.low is not None and dimension.high is not None
    number = round(code) if dimension.whole else float(code)
    if dimension.step is not None and not dimension.whole:
        number = float(f"{number:.12g}")  # 0.1 + 2 * 0.1 is a little more than 0.3
    # KerasTuner's arithmetic exceeds a range by rounding, and that of whole numbers on a log scale by 1.
    return min(max(number, dimension.low), dimension.high)
