"""What a search is to do: the config of all trials, the space, the engine; settled and checked before it begins."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tfpt.config.loading import SEARCH, load_config, recipe_search, with_values
from tfpt.config.paths import with_absolute_paths
from tfpt.config.shared import AUTO
from tfpt.config.search_space import Dimension, read_space, space_record
from tfpt.config.writing import config_difference, leaf_settings, to_dict
from tfpt.config.yaml_text import write_yaml
from tfpt.errors import ConfigError, RunError, UsageError
from tfpt.task import Task
from tfpt.tuning.oracles import ENGINES
from tfpt.workflows.search_folder import SearchRun
from tfpt.workflows.search_schedules import with_short_head_phase

ENGINE = "random"
TRIALS = {"random": 20, "bayesian": 20}
_FLAGS = {"engine": "--search", "executions_per_trial": "--executions-per-trial", "objective": "--objective"}
_VALIDATION_FIELDS = ("data.path", "data.data_dir", "data.seed", "data.validation", "data.test")
_ELSEWHERE = ("data.path", "data.data_dir", "model.weights")  # may have another name on another machine


@dataclass(frozen=True)
class Asked:
    """What a user says of a search; what is None or empty was not said."""

    recipe: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    assignments: Sequence[str] = ()
    engine: str | None = None
    trials: int | None = None
    executions_per_trial: int | None = None
    objective: str | None = None

    def fixed(self) -> set[str]:
        """The fields that flags and assignments set, which are not searched then."""
        return {name for name, value in self.settings.items() if value is not None} | {
            text.partition("=")[0].strip() for text in self.assignments}


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

    def fingerprint(self) -> str:
        """12 hexadecimal digits: the same for the chief and the workers of a search, wherever their data is."""
        base = {name: value for name, value in leaf_settings(self.base).items() if name not in _ELSEWHERE}
        text = json.dumps([self.task, base, space_record(self.space), {**self.asked(), "trials": None}], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def settle_search(task: Task, asked: Asked) -> SearchSettings:
    """The settings of a new search.

    Raises:
        ConfigError: a setting, the space or what is asked won't do.
        UsageError: an engine or a number that there can't be.
    """
    engine, objective = asked.engine or ENGINE, asked.objective or next(iter(task.objectives))
    _check_asked(asked, engine)
    if objective not in task.objectives:
        raise ConfigError(f"--objective takes a validation metric of {task.name}, one of {', '.join(task.objectives)}; "
                          f"found {objective!r}.")
    names_data = "data.path" in asked.fixed()
    recipe = asked.recipe or (None if names_data else task.demo_recipe)
    base: Any = load_config(task.config_class, recipe=recipe, settings=asked.settings, assignments=asked.assignments,
                            with_search=True)
    written = recipe_search(recipe)
    space = read_space(base, task.default_search(task.resolve(base)) if written is None else written,
                       "the task's own search" if written is None else str(recipe))
    searched = tuple(dimension for dimension in space if dimension.name not in asked.fixed())
    if not searched:
        raise ConfigError(f"Nothing is left to search: {', '.join(sorted(asked.fixed()))} are set. Leave one of the "
                          "flags out, or give a recipe with a search section.")
    trials = asked.trials if asked.trials is not None else TRIALS.get(engine)
    found = SearchSettings(task.name, _settled_base(base, engine, objective), searched, engine, trials,
                           asked.executions_per_trial or 1, objective, task.objectives[objective])
    _check_values(task, found)
    return found


def resumed_search(task: Task, search: SearchRun, asked: Asked) -> SearchSettings:
    """The settings of a search that goes on: its own, but for more trials.

    Raises:
        UsageError: what is asked now differs from them.
        RunError: they can't be read.
    """
    stored = read_settings(task, search)
    differences = search_difference(task, stored, asked)
    if differences:
        raise ConfigError(f"{search.path} can't be resumed as another search: {'; '.join(differences)}. Leave these "
                          "out, or start a new search. (--trials may be raised.)")
    if asked.trials is None:
        return stored
    _check_asked(asked, stored.engine)
    if stored.trials is None or asked.trials < stored.trials:
        raise ConfigError(f"{search.path} was to try {stored.trials or 'every combination'}: on resume --trials may "
                          f"be raised, not lowered to {asked.trials}.")
    return replace(stored, trials=asked.trials)


def search_difference(task: Task, stored: SearchSettings, asked: Asked) -> list[str]:
    """How what is asked now differs from a search, ``name: 1 in the search, 2 now`` each; more trials are none."""
    wanted: Any = load_config(task.config_class, base=stored.base, recipe=asked.recipe, settings=asked.settings,
                              assignments=asked.assignments, with_search=True)
    pairs = config_difference(stored.base, _settled_base(wanted, stored.engine, stored.objective))
    for name, flag in _FLAGS.items():
        value = getattr(asked, name)
        pairs += [(flag, stored.asked()[name], value)] if value is not None else []
    written = recipe_search(asked.recipe)
    if written is not None:
        before, now = space_record(stored.space), space_record(read_space(stored.base, written, str(asked.recipe)))
        pairs += [(f"{SEARCH} {name}", before.get(name), now.get(name)) for name in {**before, **now}
                  if name not in asked.fixed()]
    return [f"{name}: {old} in the search, {new} now" for name, old, new in pairs if old != new]


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
        record = search.record()
        asked = record["asked"]
        found = SearchSettings(task.name, base, space, **asked, direction=task.objectives[asked["objective"]])
        if found.fingerprint() != record["fingerprints"]["settings"]:
            raise ConfigError("they aren't those that it began with")
        return found
    except (ConfigError, KeyError, TypeError) as problem:
        raise RunError(f"The settings of the search in {search.path} can't be used ({problem}): search.yaml or "
                       "tuning.json was changed or damaged. Start a new search, with --config and a copy of "
                       "search.yaml if it is to have other settings.") from problem


def _check_asked(asked: Asked, engine: str) -> None:
    if engine not in ENGINES:
        raise UsageError(f"--search takes one of {', '.join(ENGINES)}; found {engine!r}.")
    for name, value in (("--trials", asked.trials), ("--executions-per-trial", asked.executions_per_trial)):
        if value is not None and value < 1:
            raise UsageError(f"{name} takes a whole number from 1 up, but found {value}.")
    if engine == "hyperband" and asked.trials is not None:
        raise UsageError("--trials and --search hyperband don't go together: hyperband decides by its brackets how "
                         "many trials it trains, and for how many epochs each. Leave out --trials, or choose another "
                         "search.")


def _check_values(task: Task, settings: SearchSettings) -> None:
    """Each value by itself: what no trial could train with is told before the first one."""
    for dimension in settings.space:
        if dimension.name in _VALIDATION_FIELDS:
            raise ConfigError(f"{dimension.name} decides which images trials are validated on, so that their scores "
                              "could not be compared. Take it out of the search section.")
    if settings.engine == "hyperband" and any(dimension.name == "train.epochs" for dimension in settings.space):
        raise ConfigError("Hyperband decides how many epochs a trial trains, so train.epochs can't be searched with "
                          "it. Take it out of the search section, or choose another --search.")
    searched = {dimension.name: dimension.values or () for dimension in settings.space}
    if AUTO in searched.get("optimizer.learning_rate", (settings.base.optimizer.learning_rate,)):
        raise ConfigError("--learning-rate auto is for one training: it is found before it. Give a search numbers, or "
                          "let it search optimizer.learning_rate.")
    for dimension in settings.space:
        for value in dimension.values or (dimension.low, dimension.high):
            settings.trial_config(task, {dimension.name: value})


def _settled_base(base: Any, engine: str, objective: str) -> Any:
    """A trial keeps as its best what the search goes by; the data's seed stays when an execution has another one; a
    search is found and resumed from any folder.
    """
    base = replace(base, train=replace(base.train, best_metric=objective))
    if base.data.seed is None:
        base = replace(base, data=replace(base.data, seed=base.train.seed))
    return with_absolute_paths(with_short_head_phase(base) if engine == "hyperband" else base)
