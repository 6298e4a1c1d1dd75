"""What a search is to do: the config of all trials, the space, the engine; settled and checked before it begins."""

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tfpt.config.loading import SEARCH, load_config, recipe_search, with_values
from tfpt.config.search_space import Dimension, read_space, space_record
from tfpt.config.writing import config_difference, to_dict
from tfpt.config.yaml_text import write_yaml
from tfpt.errors import ConfigError, RunError
from tfpt.task import Task
from tfpt.training.freezing import Phase
from tfpt.tuning.oracles import hyperband_rungs
from tfpt.workflows.search_folder import SearchRun

ENGINE = "random"
TRIALS = 20
HYPERBAND_FACTOR = 3
_SCHEDULE_FIELDS = ("freeze.unfreeze", "freeze.head_epochs", "freeze.phases", "freeze.batch_norm", "train.epochs")
_MOST_SCHEDULES = 200
_MAY_DIFFER = ("trials",)


@dataclass(frozen=True)
class Asked:
    """The part of a search that is not config; what is None was not said."""

    engine: str | None = None
    trials: int | None = None
    executions_per_trial: int | None = None
    objective: str | None = None


@dataclass(frozen=True)
class SearchSettings:
    """``base`` is the config of all trials where no dimension of ``space`` says otherwise."""

    task: str
    base: Any
    space: tuple[Dimension, ...]
    engine: str
    trials: int | None
    executions_per_trial: int
    objective: str
    direction: str

    def trial_config(self, task: Task, values: Mapping[str, Any], execution: int = 0) -> Any:
        """The resolved config of a trial. Further executions have other seeds, on the same data."""
        config = task.resolve(with_values(self.base, values, "the search"))
        return replace(config, train=replace(config.train, seed=config.train.seed + execution))

    def asked(self) -> dict[str, Any]:
        """All but config and space, as tuning.json keeps it."""
        return {"engine": self.engine, "trials": self.trials, "executions_per_trial": self.executions_per_trial,
                "objective": self.objective}


def settle_search(task: Task, recipe: str | None, settings: Mapping[str, Any], assignments: Sequence[str],
                  asked: Asked) -> SearchSettings:
    """The settings of a new search.

    Raises:
        ConfigError: a setting, the space or what is asked won't do.
    """
    names_data = settings.get("data.path") is not None or any(text.startswith("data.path=") for text in assignments)
    chosen = recipe or (None if names_data else task.demo_recipe)
    base: Any = load_config(task.config_class, recipe=chosen, settings=settings, assignments=assignments,
                            with_search=True)
    engine = asked.engine or ENGINE
    objective = asked.objective or next(iter(task.objectives))
    if objective not in task.objectives:
        raise ConfigError(f"--objective takes a validation metric of {task.name}, one of {', '.join(task.objectives)}; "
                          f"found {objective!r}.")
    base = _with_own_seed(_with_best_metric(base, objective))
    written = recipe_search(chosen)
    space = read_space(base, task.default_search if written is None else written,
                       "the task's own search" if written is None else str(chosen))
    if engine == "hyperband":
        base = _with_short_head_phase(base)
    trials = asked.trials if asked.trials is not None else {"random": TRIALS, "bayesian": TRIALS}.get(engine)
    base = replace(base, data=task.resolve(base).data)
    found = SearchSettings(task.name, base, space, engine, trials, asked.executions_per_trial or 1, objective,
                           task.objectives[objective])
    for dimension in space:  # each value by itself: what no trial could train with is told before the first one
        for value in dimension.values or (dimension.low, dimension.high):
            found.trial_config(task, {dimension.name: value})
    return found


def resumed_search(task: Task, search: SearchRun, recipe: str | None, settings: Mapping[str, Any],
                   assignments: Sequence[str], asked: Asked) -> SearchSettings:
    """The settings of a search that goes on: its own, but for more trials.

    Raises:
        ConfigError: what is given now differs from them.
        RunError: they can't be read.
    """
    stored = read_settings(task, search)
    wanted: Any = load_config(task.config_class, base=stored.base, recipe=recipe, settings=settings,
                              assignments=assignments, with_search=True)
    if settings.get("data.path") is not None:
        wanted = replace(wanted, data=task.resolve(wanted).data)
    now = {name: value for name, value in (("engine", asked.engine), ("trials", asked.trials), (
        "executions_per_trial", asked.executions_per_trial), ("objective", asked.objective)) if value is not None}
    differences = [f"{name}: {old} in the search, {new} now" for name, old, new in
                   [*config_difference(stored.base, wanted),
                    *((name, stored.asked()[name], value) for name, value in now.items() if name not in _MAY_DIFFER)]
                   if old != new]
    written = recipe_search(recipe)
    if written is not None and read_space(stored.base, written, str(recipe)) != stored.space:
        differences.append("search: another space")
    if differences:
        raise ConfigError(f"{search.path} can't be resumed as another search: {'; '.join(differences)}. Leave these "
                          "out, or start a new search. (--trials may be raised.)")
    if asked.trials is not None and stored.trials is not None and asked.trials < stored.trials:
        raise ConfigError(f"{search.path} was to try {stored.trials} trials; on resume --trials may be raised, not "
                          f"lowered to {asked.trials}.")
    return replace(stored, trials=asked.trials if asked.trials is not None else stored.trials)


def settings_text(settings: SearchSettings) -> str:
    """search.yaml: a recipe with its search section. What else was asked is in tuning.json."""
    return write_yaml({**to_dict(settings.base), SEARCH: space_record(settings.space)})


def read_settings(task: Task, search: SearchRun) -> SearchSettings:
    """The settings of a search that was begun.

    Raises:
        RunError: they can't be read.
    """
    try:
        base: Any = load_config(task.config_class, recipe=search.settings_file, with_search=True)
        space = read_space(base, recipe_search(search.settings_file) or {}, str(search.settings_file))
        asked = search.record()["asked"]
        return SearchSettings(task.name, base, space, **asked, direction=task.objectives[asked["objective"]])
    except (ConfigError, KeyError, TypeError) as problem:
        raise RunError(f"The settings of the search in {search.path} can't be read ({problem}): search.yaml or "
                       "tuning.json was changed or damaged. Start a new search.") from problem


def schedule_variants(task: Task, settings: SearchSettings) -> list[Any]:
    """Resolved configs with every freeze schedule that a trial may have, or with a sample of many."""
    varied = [dimension for dimension in settings.space if dimension.name in _SCHEDULE_FIELDS]
    each = [[(dimension.name, value) for value in _values(dimension)] for dimension in varied]
    if math.prod(map(len, each)) <= _MOST_SCHEDULES:
        chosen = [dict(values) for values in itertools.product(*each)]
    else:
        draw = random.Random(0)
        chosen = [{name: value for name, value in map(draw.choice, each)} for _ in range(_MOST_SCHEDULES)]
    return [settings.trial_config(task, values) for values in chosen]


def check_schedules(settings: SearchSettings, schedules: Sequence[Sequence[Phase]]) -> None:
    """ConfigError if Hyperband would compare trials before the last phase of their schedules has begun."""
    if settings.engine != "hyperband":
        return
    epochs = settings.base.train.epochs
    rungs = hyperband_rungs(epochs, HYPERBAND_FACTOR)
    latest = max(phases[-1].from_epoch for phases in schedules)
    if latest > rungs[0]:
        raise ConfigError(
            f"Hyperband compares trials after {', '.join(map(str, rungs))} epochs, but the last freeze phase begins in "
            f"epoch {latest}: the first comparison would be between trials that have all done the same. Lower "
            f"freeze.head_epochs to {rungs[0] - 1}, or raise train.epochs.")


def _with_short_head_phase(base: Any) -> Any:
    """Where nobody has said how long the head trains alone, it is done before Hyperband's first comparison."""
    first_rung = hyperband_rungs(base.train.epochs, HYPERBAND_FACTOR)[0]
    if base.freeze.head_epochs is not None or base.freeze.phases is not None:
        return base
    return replace(base, freeze=replace(base.freeze, head_epochs=min(1, first_rung - 1)))


def _with_best_metric(base: Any, objective: str) -> Any:
    """What a trial keeps as its best is what the search goes by."""
    return replace(base, train=replace(base.train, best_metric=objective))


def _with_own_seed(base: Any) -> Any:
    """The data's seed stays the same when a further execution has another one."""
    return base if base.data.seed is not None else replace(base, data=replace(base.data, seed=base.train.seed))


def _values(dimension: Dimension) -> Sequence[Any]:
    if dimension.values:
        return dimension.values
    assert isinstance(dimension.low, int) and isinstance(dimension.high, int)
    return range(dimension.low, dimension.high + 1)
