"""Tune: settle the space, prepare what trials share, let KerasTuner ask for trials, train them, keep the best."""

import contextlib
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner

from tfpt import runtime
from tfpt.atomic_files import make_folder, writable_folder
from tfpt.errors import Interrupted, RunError, TrainingFailed, UsageError
from tfpt.registry import get_task
from tfpt.run_directory import Run, lock_run, new_run, refuse_taken
from tfpt.task import Task
from tfpt.training.screen import Screen
from tfpt.tuning.oracles import make_oracle
from tfpt.tuning.tuner import TrialTuner, reported_results
from tfpt.workflows.resume import check_same_data, check_same_environment
from tfpt.workflows.search_bench import prepare_bench
from tfpt.workflows.search_folder import OWN_NAMES, SearchRun, find_search
from tfpt.workflows.search_log import SearchLog
from tfpt.workflows.search_schedules import HYPERBAND_FACTOR
from tfpt.workflows.search_service import Service
from tfpt.workflows.search_settings import (
    Asked, SearchSettings, read_settings, resumed_search, search_difference, settle_search)
from tfpt.workflows.train import run_name, train
from tfpt.workflows.trials import Trials


def tune(task_name: str, *, recipe: str | None = None, settings: Mapping[str, Any] | None = None,
         assignments: Sequence[str] = (), search: str | None = None, trials: int | None = None,
         executions_per_trial: int | None = None, objective: str | None = None, run_dir: str | None = None,
         runs_root: str = "runs", tensorboard_root: str = "tensorboard_logs", resume: bool = False,
         train_best: bool = False, chief: str | None = None, worker: str | None = None, dry_run: bool = False,
         quiet: bool = False) -> SearchRun | None:
    """One whole search over config fields; the recipe's ``search`` section, else the task's own, says which.

    ``search`` is random, bayesian, hyperband or grid. ``chief`` and ``worker`` are addresses, host:port: the chief
    hands out trials, workers train them. ``resume`` goes on with the search in ``run_dir``, else with the newest of
    the task. Returns the finished search; None after ``dry_run``, and from a worker, whose chief has it.

    Raises:
        UsageError: config, space, data, weights, folder or address won't do.
        TrainingFailed: no trial could be completed.
        Interrupted: the search's folder holds all that is needed to go on.
    """
    began, service = time.monotonic(), Service(chief, worker)
    if service.is_worker and train_best:
        raise UsageError("--train-best is for the process that ends the search, but this is a worker: give it to the "
                         "chief.")
    task, screen = get_task(task_name), Screen(sys.stdout if dry_run else None, quiet=quiet)
    asked = Asked(recipe, settings or {}, assignments, search, trials, executions_per_trial, objective)
    earlier = _search_to_join(run_dir, runs_root, task_name, resume, service)
    settled = _settled(task, earlier, asked, None if service.is_worker else run_dir)
    bench, conditions = prepare_bench(task, settled, screen)
    if dry_run:
        return None
    _check_conditions(earlier, conditions)
    service.check_address()
    found = earlier or _new_search(settled, runs_root, run_dir, service)
    log = SearchLog(task, settled, found, bench, screen, writable_folder(Path(tensorboard_root)) / found.name,
                    not service.is_worker, conditions, found.record()["wall_seconds"] if earlier else 0.0, began)
    _run_search(log, service)
    if service.is_worker:
        screen.line("worker", "the search is over; the chief has its results")
        return None
    if train_best:
        _train_best(log, runs_root, tensorboard_root, quiet)
    return found


def _train_best(log: SearchLog, runs_root: str, tensorboard_root: str, quiet: bool) -> None:
    log.screen.blank()
    run = train(log.task.name, recipe=str(log.search.best_config_file), runs_root=runs_root,
                tensorboard_root=tensorboard_root, quiet=quiet)
    log.write("finished", time.monotonic(), best_run=str(run.path) if run else None)


def _search_to_join(run_dir: str | None, runs_root: str, task_name: str, resume: bool,
                    service: Service) -> SearchRun | None:
    """The search to resume, or the one of the chief, if this worker sees its folder."""
    if service.is_worker:
        shared = SearchRun(Path(run_dir)) if run_dir is not None else None
        return shared if shared is not None and shared.settings_file.exists() else None
    return find_search(run_dir, runs_root, task_name) if resume else None


def _settled(task: Task, earlier: SearchRun | None, asked: Asked, run_dir: str | None) -> SearchSettings:
    """What the search is to do; a new one may be written to ``run_dir``, if that is given."""
    if earlier is not None:
        return resumed_search(task, earlier, asked)
    if run_dir is not None:
        _refuse_taken(task, run_dir, asked)
    return settle_search(task, asked)


def _refuse_taken(task: Task, run_dir: str, asked: Asked) -> None:
    """RunError if a new search may not be written to ``run_dir``; of another search it says how it differs."""
    search = SearchRun(Path(run_dir))
    if not search.settings_file.exists():
        refuse_taken(run_dir)
        foreign = [file.name for file in search.path.glob("[!.]*") if file.name not in OWN_NAMES]
        if foreign:
            raise RunError(f"{run_dir} has other things in it, such as {foreign[0]}, and a search wants a folder of "
                           "its own. Choose a new one with --run-dir.")
        return
    differences = search_difference(task, read_settings(task, search), asked)
    shown = f" It differs from what is asked now: {'; '.join(differences)}." if differences else ""
    raise RunError(f"There is another search in {run_dir}.{shown} Choose a new directory with --run-dir, or continue "
                   "that search with --resume.")


def _new_search(settings: SearchSettings, runs_root: str, run_dir: str | None, service: Service) -> SearchRun:
    """The folder of a new search, or of the trials that this worker trains."""
    if service.is_worker and run_dir is not None:
        return SearchRun(make_folder(Path(run_dir)))
    return SearchRun(new_run(f"tune-{run_name(settings.base.data.path)}", runs_root, run_dir).path)


def _check_conditions(search: SearchRun | None, now: Mapping[str, Any]) -> None:
    """A score counts only against scores on the same validation data. Of a new search there are none."""
    if search is None:
        return
    before = search.record()
    check_same_data(str(search.path), before["fingerprints"]["data"], now["fingerprints"]["data"])
    check_same_environment(str(search.path), before["environment"])


def _run_search(log: SearchLog, service: Service) -> None:
    """Train what KerasTuner asks for, or hand it out as the chief, to the end; the folder says how it went."""
    search, settings = log.search, log.settings
    lock = contextlib.nullcontext() if service.is_worker else lock_run(Run(search.path))
    with (lock, runtime.StopSignals() as signals, service.announced(settings.fingerprint()),
          contextlib.closing(log.bench)):
        oracle = make_oracle(
            settings.engine, settings.space, objective=settings.objective, direction=settings.direction,
            trials=settings.trials, seed=settings.base.train.seed, max_epochs=settings.base.train.epochs,
            factor=HYPERBAND_FACTOR, fingerprint=settings.fingerprint())
        tuner = _tuner(log, oracle, signals, service)
        log.begin(time.monotonic(), service)
        signals.at_once = service.is_chief
        status = "failed"
        try:
            tuner.search(verbose=0)
            status = "finished"
        except (keras_tuner.errors.FatalError, Interrupted) as stop:
            status = "interrupted"
            raise _stopped(log, stop, service) from None
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            if not service.is_worker:
                signals.at_once = False
                log.report(reported_results(oracle, settings.space))
                log.write(status, time.monotonic())
    if not service.is_worker:
        search.remove_checkpoints()
        log.tell_missing()
        _refuse_all_failed(log)


def _tuner(log: SearchLog, oracle: keras_tuner.Oracle, signals: runtime.StopSignals, service: Service) -> TrialTuner:
    trials = Trials(log.task, log.settings, log.search, log.bench, log.hparams.trial_folder, lambda: signals.received)

    def waits(begins: bool) -> None:
        signals.at_once = begins and service.is_worker
        if begins and signals.received:
            raise Interrupted("Stopped between two trials.", 128 + signals.received)

    return TrialTuner(oracle, log.settings.space, log.search.oracle_folder, trials.run,
                      lambda result: log.told(result, time.monotonic()), waits)


def _refuse_all_failed(log: SearchLog) -> None:
    results = log.results()
    if results and not any(result.status == "completed" for result in results):
        raise TrainingFailed(f"None of the {len(results)} trials could be completed; the first one: {results[0].why} "
                             f"{log.search.path}/tuning.json has them all.")


def _stopped(log: SearchLog, stop: Exception, service: Service) -> BaseException:
    """What the user is to read: within a trial, KerasTuner has wrapped up what stopped it."""
    cause = stop if isinstance(stop, Interrupted) else stop.__cause__
    if not isinstance(cause, Interrupted):
        return cause or stop
    number, folder = cause.exit_code - 128, shlex.quote(str(log.search.path))
    if service.is_worker:
        return Interrupted(f"This worker was stopped by signal {number}. If it had a trial under way, that stays open "
                           "until the chief is started again with --resume.", cause.exit_code)
    return Interrupted(f"The search was stopped by signal {number}. Its state is saved, that of a trial that was under "
                       f"way too; --resume --run-dir {folder} goes on from here.", cause.exit_code)
