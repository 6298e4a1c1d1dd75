"""The freeze schedules that a search's trials may have."""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tfpt.config.search_space import Dimension
from tfpt.errors import ConfigError
from tfpt.task import Task
from tfpt.training.freezing import Phase
from tfpt.tuning.oracles import hyperband_rungs

if TYPE_CHECKING:
    from tfpt.workflows.search_settings import SearchSettings

HYPERBAND_FACTOR = 3
_SCHEDULE_FIELDS = ("freeze.unfreeze", "freeze.head_epochs", "freeze.phases", "freeze.batch_norm", "train.epochs")
_MOST_SCHEDULES = 200


def schedule_variants(task: Task, settings: "SearchSettings") -> list[Any]:
    """Resolved configs with every freeze schedule that a trial may have, or with a sample of many."""
    varied = [dimension for dimension in settings.space if dimension.name in _SCHEDULE_FIELDS]
    each = [[(dimension.name, value) for value in _values(dimension)] for dimension in varied]
    if math.prod(map(len, each)) <= _MOST_SCHEDULES:
        chosen = [dict(values) for values in itertools.product(*each)]
    else:
        draw = random.Random(0)
        chosen = [dict(map(draw.choice, each)) for _ in range(_MOST_SCHEDULES)]
    return [settings.trial_config(task, values) for values in chosen]


def check_schedules(settings: "SearchSettings", schedules: Sequence[Sequence[Phase]]) -> None:
    """ConfigError if Hyperband would compare trials before the last phase of their schedules has begun."""
    if settings.engine != "hyperband":
        return
    rungs = hyperband_rungs(settings.base.train.epochs, HYPERBAND_FACTOR)
    latest = max(phases[-1].from_epoch for phases in schedules)
    if latest > rungs[0]:
        raise ConfigError(
            f"Hyperband compares trials after {', '.join(map(str, rungs))} epochs, but the last freeze phase begins in "
            f"epoch {latest}: the first comparison would be between trials that have all done the same. Lower "
            f"freeze.head_epochs to {rungs[0] - 1}, or raise train.epochs.")


def with_short_head_phase(base: Any) -> Any:
    """Where nobody has said how long the head trains alone, it is done before Hyperband's first comparison."""
    if base.freeze.head_epochs is not None or base.freeze.phases is not None:
        return base
    first_rung = hyperband_rungs(base.train.epochs, HYPERBAND_FACTOR)[0]
    return replace(base, freeze=replace(base.freeze, head_epochs=min(1, first_rung - 1)))


def _values(dimension: Dimension) -> Sequence[Any]:
    if dimension.values:
        return dimension.values
    assert isinstance(dimension.low, int) and isinstance(dimension.high, int)
    return range(dimension.low, dimension.high + 1)
