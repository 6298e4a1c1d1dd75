"""Tune: settle the space, prepare what trials share, let KerasTuner ask for trials, train them, keep the best."""

import contextlib
import math
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner

from tfpt import runtime
from tfpt.atomic_files import atomic_write_text, make_folder
from tfpt.config.search_space import space_lines
from tfpt.errors import Interrupted, TrainingFailed
from tfpt.registry import get_task
from tfpt.run_directory import Run, lock_run
from tfpt.task import Task
from tfpt.training.freezing import plan_phases
from tfpt.training.screen import Screen
from tfpt.tuning.oracles import make_oracle
from tfpt.tuning.tuner import TrialTuner, reported_results
from tfpt.tuning.workbench import Workbench
from tfpt.workflows.search_folder import SearchRun, find_search, new_search, refuse_taken_search
from tfpt.workflows.search_log import SearchLog, results_of
from tfpt.workflows.search_settings import (
    HYPERBAND_FACTOR, Asked, SearchSettings, check_schedules, resumed_search, schedule_variants, settings_text,
    settle_search)
from tfpt.workflows.train import run_name, train
from tfpt.workflows.trials import Trials

_STEPS_OF_A_RANGE = 10  # that KerasTuner's grid makes of a range without steps


def tune(task_name: str, *, recipe: str | None = None, settings: Mapping[str, Any] | None = None,
         assignments: Sequence[str] = (), search: str | None = None, trials: int | None = None,
         executions_per_trial: int | None = None, objective: str | None = None, run_dir: str | None = None,
         runs_root: str = "runs", tensorboard_root: str = "tensorboard_logs", resume: bool = False,
         train_best: bool = False, chief: str | None = None, worker: str | None = None, dry_run: bool = False,
         quiet: bool = False) -> SearchRun | None:
    """One whole search over config fields; the recipe's ``search`` section, else the task's own, says which.

    ``search`` is random, bayesian, hyperband or grid. ``chief`` and ``worker`` are addresses, host:port: the chief
    hands out trials, workers train them. ``resume`` goes on with the search in ``run_dir``, else with the newest of
    the task. Returns the finished search; None after ``dry_run``.

    Raises:
        UsageError: config, space, data, weights or folder won't do; nothing was trained.
        TrainingFailed: no trial could be completed.
        Interrupted: the search's folder holds all that is needed to go on.
    """
    began = time.monotonic()
    task, screen = get_task(task_name), Screen(sys.stdout if dry_run else None, quiet=quiet)
    asked = Asked(search, trials, executions_per_trial, objective)
    earlier = _search_to_join(run_dir, runs_root, task_name, resume, worker)
    if earlier is None and run_dir is not None:
        refuse_taken_search(run_dir)
    settled = resumed_search(task, earlier, recipe, settings or {}, assignments, asked) if earlier \
        else settle_search(task, recipe, settings or {}, assignments, asked)
    bench = _prepare(task, settled, screen)
    if dry_run:
        return None
    found = earlier or new_search(run_name(settled.base.data.path), runs_root, run_dir)
    make_folder(Path(tensorboard_root))
    before = found.record()["wall_seconds"] if earlier else 0.0
    log = SearchLog(task, settled, found, bench, screen, Path(tensorboard_root) / found.name, before, began)
    with contextlib.closing(bench):
        _run_search(log, chief, worker)
    if worker is not None:
        return found
    best_run = None
    if train_best:
        screen.blank()
        run = train(task_name, recipe=str(found.best_config_file), runs_root=runs_root,
                    tensorboard_root=tensorboard_root, quiet=quiet)
        best_run = str(run.path) if run else None
        log.write("finished", time.monotonic(), best_run=best_run)
    return found


def _search_to_join(run_dir: str | None, runs_root: str, task_name: str, resume: bool,
                    worker: str | None) -> SearchRun | None:
    """The search to resume, or the one of the chief, if this worker sees its folder."""
    if resume:
        return find_search(run_dir, runs_root, task_name)
    if worker is not None and run_dir is not None and SearchRun(Path(run_dir)).settings_file.exists():
        return SearchRun(Path(run_dir))
    return None


def _prepare(task: Task, settings: SearchSettings, screen: Screen) -> Workbench:
    """Read the data, build the model, plan the cache for all trials, and show what will happen."""
    first = task.resolve(settings.base)
    runtime.configure(first.train.seed, first.train.precision)
    variants = schedule_variants(task, settings)
    bench = Workbench(task, variants, _trainings(settings), screen)
    splits, model = bench.splits(first), bench.model(first)
    check_schedules(settings, [plan_phases(variant.freeze, variant.train.epochs, model.units) for variant in variants])
    screen.line("data", splits.summary)
    screen.line("model", task.describe(first, model.model, splits.metadata))
    for number, line in enumerate(space_lines(settings.space)):
        screen.line("" if number else "space", line)
    count = "trials by its brackets" if settings.trials is None and settings.engine == "hyperband" else (
        "every combination" if settings.trials is None else f"{settings.trials} trials")
    each = "" if settings.executions_per_trial == 1 else f", each trained {settings.executions_per_trial} times"
    screen.line("search", f"{settings.engine} · {count}{each} · by validation {settings.objective} · "
                          f"{first.train.epochs} epochs at most")
    cuts = ", ".join(cut.name for cut in model.plan.cuts)
    screen.line("shared", f"one data set, one prefix cache (cut after {cuts})" if cuts
                else f"one data set; no prefix cache: {model.plan.why}")
    return bench


def _trainings(settings: SearchSettings) -> float:
    """About how many trainings there will be, for the plan of the cache."""
    count = settings.trials
    if count is None:
        count = math.prod(len(dimension.values) or _STEPS_OF_A_RANGE for dimension in settings.space)
    return count * settings.executions_per_trial


def _run_search(log: SearchLog, chief: str | None, worker: str | None) -> None:
    """Train what KerasTuner asks for, or hand it out as the chief, to the end; the folder says how it went."""
    search, settings = log.search, log.settings
    lock = contextlib.nullcontext() if worker else lock_run(Run(search.path))
    with lock, runtime.StopSignals() as signals, _service(chief, worker):
        if worker is None:
            atomic_write_text(search.settings_file, settings_text(settings))
        oracle = make_oracle(
            settings.engine, settings.space, objective=settings.objective, direction=settings.direction,
            trials=settings.trials, seed=settings.base.train.seed, max_epochs=settings.base.train.epochs,
            factor=HYPERBAND_FACTOR)
        log.begin(time.monotonic(), chief)
        signals.at_once = chief is not None
        status = "failed"
        try:
            _tuner(log, oracle, signals, worker).search(verbose=0)
            status = "finished"
        except (keras_tuner.errors.FatalError, Interrupted) as stop:
            status = "interrupted"
            raise _interrupted(search, stop) from None
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            if worker is None:
                signals.at_once = False
                log.write(status, time.monotonic(), reported_results(oracle, settings.space))
    _refuse_all_failed(search)


def _tuner(log: SearchLog, oracle: keras_tuner.Oracle, signals: runtime.StopSignals, worker: str | None) -> TrialTuner:
    trials = Trials(log.task, log.settings, log.search, log.bench, log.hparams.trial_folder, lambda: signals.received)

    def waits(begins: bool) -> None:
        signals.at_once = begins and worker is not None
        if begins and signals.received:
            raise Interrupted("Stopped between two trials.", 128 + signals.received)

    return TrialTuner(oracle, log.settings.space, log.search.oracle_folder, trials.run,
                      lambda result: log.told(result, time.monotonic()), waits)


def _refuse_all_failed(search: SearchRun) -> None:
    results = results_of(search)
    if results and not any(result.status == "completed" for result in results):
        raise TrainingFailed(f"None of the {len(results)} trials could be completed; the first one: {results[0].why} "
                             f"{search.path}/tuning.json has them all.")


def _interrupted(search: SearchRun, stop: Exception) -> BaseException:
    """What the user is to read: within a trial, KerasTuner has wrapped up what stopped it."""
    cause = stop if isinstance(stop, Interrupted) else stop.__cause__
    if not isinstance(cause, Interrupted):
        return cause or stop
    return Interrupted(f"The search was stopped by signal {cause.exit_code - 128}. Its state is saved, that of the "
                       f"trial that was under way too; --resume --run-dir {search.path} goes on from here.",
                       cause.exit_code)


@contextlib.contextmanager
def _service(chief: str | None, worker: str | None) -> Iterator[None]:
    """KerasTuner reads from the environment who it is and where its chief is."""
    address = chief or worker
    if address is None:
        yield
        return
    host, _, port = address.rpartition(":")
    # An id with "chief" in it would be taken for the chief's.
    names = {"KERASTUNER_TUNER_ID": "chief" if chief else f"worker-{uuid.uuid4().hex}",
             "KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": port}
    os.environ.update(names)
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
