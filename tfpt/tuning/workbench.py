"""What the trials of one search share in a process: data, models, traced steps, rows of frozen layers."""

import contextlib
import gc
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpt import runtime
from tfpt.config.writing import leaf_settings
from tfpt.data.row_folders import evict
from tfpt.errors import Interrupted
from tfpt.task import Splits, Task, Unit
from tfpt.training.freezing import Phase, ever_trainable, plan_phases
from tfpt.training.job import Job, Shared, all_variables, make_average, steps_per_epoch
from tfpt.training.optimizers import set_highest_rate
from tfpt.training.prefix_cache.cache import PrefixCache
from tfpt.training.prefix_cache.plan import CachePlan
from tfpt.training.prefix_cache.shared_plan import plan_shared_cache, training_plan
from tfpt.training.prefix_cache.shared_rows import SharedRows
from tfpt.training.prefix_cache.workload import cache_workload
from tfpt.training.programs import Programs
from tfpt.training.screen import Screen
from tfpt.training.timed_calls import memory_error_explained
from tfpt.training.weight_average import WeightAverage

NOT_TRACED = ("optimizer.learning_rate", "freeze.unfreeze", "freeze.head_epochs", "freeze.phases",
              "train.early_stopping", "train.best_metric", "train.checkpoint_seconds", "tensorboard.pictures",
              "tensorboard.histograms")
"""What no traced step has as a constant: variables, what tells phases apart, and what the loop alone looks at."""

_BEHIND_THE_MODEL = ("optimizer.", "loss.", "freeze.", "tensorboard.")
_MODEL_SETTINGS = ("train.seed", "train.precision", "train.batch_size", "train.accumulation_steps")
_MOST_MODELS = _MOST_OPTIMIZERS = 8
"""A trial that is trained under several seeds comes to each of its models in turn, as does the next one."""


@dataclass(frozen=True, eq=False)
class _Optimizers:
    """Built on every variable that any trial trains, with what they held when they were new."""

    by_name: Mapping[str, tuple[Any, list[Any]]]
    initial: list[np.ndarray]
    programs: Programs
    average: WeightAverage | None


@dataclass(eq=False)
class _Model:
    """A built model with pretrained weights, and what it had in its variables then."""

    model: keras.Model
    units: Sequence[Unit]
    initial: list[np.ndarray]
    steps_per_epoch: int
    plan: CachePlan
    cache: PrefixCache | None
    optimizers: "OrderedDict[Hashable, _Optimizers]" = field(default_factory=OrderedDict)


class Workbench:
    """Makes jobs for trials, one after the other: a job is over when the next one is asked for.

    ``variants`` are configs that have every freeze schedule of the search between them, ``trainings`` the number of
    trials that are to come, about.
    """

    def __init__(self, task: Task, variants: Sequence[Any], trainings: float, screen: Screen):
        self._task, self._variants, self._trainings, self._screen = task, variants, trainings, screen
        self._splits: tuple[str, Splits] | None = None
        self._rows_key = ""
        self._rows = SharedRows()
        self._models: OrderedDict[str, _Model] = OrderedDict()
        self._cuts: dict[str, None] = {}
        self._counts = {"computed_rows": 0, "loaded_rows": 0, "programs": 0, "prefix_seconds": 0.0}

    def splits(self, config: Any) -> Splits:
        """The data of a resolved config. Only those of the last one asked for are kept."""
        key = _key(config, lambda name: name.startswith("data.") or (name == "train.seed" and not _has_seed(config)))
        if self._splits is None or self._splits[0] != key:
            self._splits = (key, self._task.sources(config))
        return self._splits[1]

    def job(self, config: Any, *, folder: Path, metrics_file: Path, tensorboard: Path, callbacks: Sequence[Any],
            screen: Screen, stop_signal: Callable[[], int | None]) -> Job:
        """A job as new as the first one of a process: every variable is as after loading the weights."""
        runtime.configure(config.train.seed, config.train.precision)
        splits, shared = self.splits(config), self.model(config)
        for name, adjustment in self._task.adjustments.items():
            adjustment.apply(shared.model, leaf_settings(config)[name])
        phases = plan_phases(config.freeze, config.train.epochs, shared.units)
        optimizers = self._optimizers(config, shared, phases)
        job = Job(self._task, config, splits, shared.model, shared.units, phases, optimizers.by_name,
                  shared.steps_per_epoch, folder, metrics_file, tensorboard, callbacks, screen, stop_signal,
                  training_plan(shared.plan, shared.model, shared.units, phases),
                  Shared(optimizers.programs, shared.cache, self._program_key(config)), optimizers.average)
        for variable, value in zip(all_variables(job), [*shared.initial, *optimizers.initial], strict=True):
            variable.assign(value)
        for optimizer, _ in optimizers.by_name.values():
            set_highest_rate(optimizer, config.optimizer.learning_rate)
        self._fill_rows(job, shared)
        shared.model.optimizer = next(iter(optimizers.by_name.values()))[0]  # Keras callbacks look for it
        return job

    def model(self, config: Any) -> _Model:
        """The model of a resolved config, with the cache plan for all trials."""
        self._settle_rows(config)
        kinds = {name: adjustment.kind(leaf_settings(config)[name])
                 for name, adjustment in self._task.adjustments.items()}
        key = _key(config, lambda name: name in _MODEL_SETTINGS or not name.startswith((*_BEHIND_THE_MODEL, "train.")),
                   kinds)
        if key not in self._models:
            self._models[key] = self._build(config)
        self._models.move_to_end(key)
        self._forget_models(lambda: len(self._models) > _MOST_MODELS)
        return self._models[key]

    def record(self) -> dict[str, Any]:
        """What was shared so far: the cuts, the rows computed and those found on disk, the traced programs."""
        counts = dict(self._counts)
        for model in self._models.values():
            _add(counts, model)
        return {"cuts": list(self._cuts), **counts, "prefix_seconds": round(counts["prefix_seconds"], 2)}

    def close(self) -> None:
        """Let everything go, and remove what was used longest ago from disk if there is too much."""
        in_use = self._rows.folder_names
        self.clear()
        with contextlib.suppress(OSError):
            evict(int(self._variants[0].cache.max_gb * 1e9), in_use)

    def clear(self) -> None:
        """Let everything but the data go: after a trial that broke off in the middle of something."""
        self._forget_models(lambda: True)
        self._tell_notices()

    def _fill_rows(self, job: Job, shared: _Model) -> None:
        """Once a trial's weights have begun to change, only the rows in front of them could still be computed."""
        if shared.cache is None:
            return

        def goes_on() -> None:
            most_bytes = job.config.cache.budget_mb * 2**20
            self._forget_models(lambda: len(self._models) > 1 and self._rows.memory_bytes > most_bytes)
            if number := job.stop_signal():
                raise Interrupted("Stopped while frozen layers were run.", 128 + number)

        began = time.monotonic()
        with memory_error_explained("while frozen layers were run"):
            shared.cache.fill(job.config.train.epochs, goes_on)
        seconds = time.monotonic() - began
        self._counts["prefix_seconds"] += seconds
        text = shared.cache.finish(seconds)
        self._tell_notices()
        if text:
            self._screen.line("prefix", text)

    def _tell_notices(self) -> None:
        for notice in self._rows.notices:
            self._screen.line("cache", notice)
        self._rows.notices.clear()

    def _settle_rows(self, config: Any) -> None:
        """Rows are found by the number of an example: other data, or other views of it, need rows of their own."""
        key = _key(config, lambda name: not name.startswith((*_BEHIND_THE_MODEL, "model.", "train.", "cache."))
                   or (name == "train.seed" and not _has_seed(config)))
        if key != self._rows_key:
            if self._rows_key:
                self.close()  # each of these settings writes as much to disk as a whole search in which they are fixed
            self._rows_key = key

    def _build(self, config: Any) -> _Model:
        task, splits = self._task, self.splits(config)
        keras.utils.set_random_seed(config.train.seed)
        model = task.build(config, splits.metadata)
        units = task.units(model)
        task.load_weights(config, model)
        plan = self._plan(config, splits, model, units)
        self._cuts.update(dict.fromkeys(cut.name for cut in plan.cuts))
        cache = PrefixCache(task, config, splits, model, plan, shared_rows=self._rows) if plan.cuts else None
        return _Model(model, units, [variable.numpy() for variable in model.variables],
                      steps_per_epoch(task, config, splits), plan, cache)

    def _schedules(self, units: Sequence[Unit]) -> list[tuple[Phase, ...]]:
        return [plan_phases(variant.freeze, variant.train.epochs, units) for variant in self._variants]

    def _plan(self, config: Any, splits: Splits, model: keras.Model, units: Sequence[Unit]) -> CachePlan:
        workload = cache_workload(self._task, config, splits)
        if isinstance(workload, str):
            return CachePlan(why=workload)
        return plan_shared_cache(config.cache, workload, model, units, self._schedules(units), self._trainings)

    def _optimizers(self, config: Any, shared: _Model, phases: Sequence[Phase]) -> _Optimizers:
        """One set for all depths, so that the phases that they have in common are traced once."""
        schedules = [phases, *self._schedules(shared.units)]
        variables = ever_trainable(shared.model, shared.units, [phase for each in schedules for phase in each])
        key = (self._program_key(config), tuple(map(id, variables)))
        if key not in shared.optimizers:
            by_name = self._task.optimizers(config, shared.model, variables, shared.steps_per_epoch)
            average = make_average(config, by_name)
            initial = [variable.numpy() for optimizer, _ in by_name.values() for variable in optimizer.variables]
            initial += [variable.numpy() for variable in average.variables] if average else []
            shared.model.compile(optimizer=next(iter(by_name.values()))[0], auto_scale_loss=False)
            shared.optimizers[key] = _Optimizers(by_name, initial, Programs(), average)
        shared.optimizers.move_to_end(key)
        while len(shared.optimizers) > _MOST_OPTIMIZERS:
            self._counts["programs"] += shared.optimizers.popitem(last=False)[1].programs.made
        return shared.optimizers[key]

    def _program_key(self, config: Any) -> str:
        return _key(config, lambda name: name not in NOT_TRACED and name not in self._task.adjustments)

    def _forget_models(self, too_much: Callable[[], bool]) -> None:
        """While it is ``too_much``, those used longest ago, and the rows that no other has use for."""
        before = len(self._models)
        while self._models and too_much():
            _, model = self._models.popitem(last=False)
            _add(self._counts, model)
            if model.cache:
                self._rows.leave(model.cache)
        if len(self._models) < before:
            gc.collect()  # models and traced functions are in cycles


def _add(counts: dict[str, Any], model: _Model) -> None:
    if model.cache:
        counts["computed_rows"] += model.cache.computed_rows
        counts["loaded_rows"] += model.cache.loaded_rows
    counts["programs"] += sum(optimizers.programs.made for optimizers in model.optimizers.values())


def _has_seed(config: Any) -> bool:
    return getattr(config.data, "seed", None) is not None


def _key(config: Any, counts: Callable[[str], bool], more: Mapping[str, Any] = {}) -> str:
    """The settings whose names ``counts``, with ``more`` in place of what they have."""
    settings = {name: value for name, value in {**leaf_settings(config), **more}.items() if counts(name)}
    return json.dumps(settings, sort_keys=True)
