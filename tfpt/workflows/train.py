"""Train: settle the config, read the data, plan, train, write the model, test it."""

import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpt import runtime
from tfpt.atomic_files import writable_folder
from tfpt.registry import get_task
from tfpt.run_directory import Run, lock_run, new_run, refuse_taken
from tfpt.task import Splits, Task
from tfpt.training.job import Job, make_average
from tfpt.training.loop import Loop
from tfpt.training.screen import Screen
from tfpt.workflows.evaluate import own_test, write_evaluation
from tfpt.workflows.find_lr import found_rate
from tfpt.workflows.plan import Plan, make_plan, show_plan
from tfpt.workflows.reading import read_data
from tfpt.workflows.records import begin_record, finish_record, status_record
from tfpt.workflows.results import write_model
from tfpt.workflows.resume import continue_loop, run_to_resume, settle_config
from tfpt.workflows.room import check_room
from tfpt.workflows.run_events import log_beginning, log_best


def train(task_name: str, *, recipe: str | None = None, settings: Mapping[str, Any] | None = None,
          assignments: Sequence[str] = (), run_dir: str | None = None, runs_root: str = "runs",
          tensorboard_root: str = "tensorboard_logs", resume: bool = False, dry_run: bool = False,
          callbacks: Sequence[Any] = (), quiet: bool = False) -> Run | None:
    """One whole training run, from a recipe, ``settings`` by dotted name and ``assignments`` such as ``"a.b=1"``.

    ``resume`` goes on with the run in ``run_dir``, else with the newest of this task. Returns the finished run; None
    after ``dry_run``, which shows the plan and leaves no run.

    Raises:
        UsageError: config, data, weights or run directory won't do; nothing was written.
        TrainingFailed, CheckFailed, Interrupted: the run directory says so too.
    """
    began = time.monotonic()
    task, screen = get_task(task_name), Screen(sys.stdout if dry_run else None, quiet=quiet)
    earlier = run_to_resume(task, run_dir, runs_root) if resume else None
    if run_dir and not resume:
        refuse_taken(run_dir)
    config = settle_config(task, earlier, recipe, settings or {}, assignments)
    runtime.configure(config.train.seed, config.train.precision)
    splits = read_data(task, config, screen)
    config, find_lr_seconds = (config, 0.0) if dry_run else found_rate(task, config, splits, screen)
    plan = make_plan(task, config, splits, earlier.manifest().get("cache") if earlier else None)
    show_plan(screen, task, config, splits, plan, tensorboard_root)
    if dry_run:
        return None
    if earlier is None:
        task.load_weights(config, plan.model)
    check_room(earlier.path if earlier else Path(run_dir or runs_root), plan, earlier, config.train.ema_decay)
    tensorboard = writable_folder(Path(tensorboard_root))
    run = earlier or new_run(run_name(config.data.path), runs_root, run_dir)
    wall_seconds = {"find_lr": find_lr_seconds, "data": time.monotonic() - began - find_lr_seconds}
    with lock_run(run), runtime.StopSignals() as signals:
        job = _job(task, config, splits, plan, run, tensorboard / run.name, callbacks, screen, signals)
        loop = continue_loop(run, job) if earlier else Loop(job)
        with status_record(run, loop):
            begin_record(run, task, config, splits, plan)
            log_beginning(job)
            loop.run()
            _test_and_record(run, job, loop, began, wall_seconds)
    return run


def _job(task: Task, config: Any, splits: Splits, plan: Plan, run: Run, tensorboard: Path, callbacks: Sequence[Any],
         screen: Screen, signals: runtime.StopSignals) -> Job:
    return Job(task, config, splits, plan.model, plan.units, plan.phases, plan.optimizers, plan.steps_per_epoch,
               run.checkpoints, run.metrics_file, tensorboard, callbacks, screen, lambda: signals.received, plan.cache,
               average=make_average(config, plan.optimizers))


def _test_and_record(run: Run, job: Job, loop: Loop, began: float, wall_seconds: Mapping[str, float]) -> None:
    """Write the best model, test it and close the record. A signal is answered between these."""
    loop.answer_signal()
    tested = time.monotonic()
    model = write_model(run, job.task, job.config, job.splits, loop)
    loop.answer_signal()
    reported = time.monotonic()
    evaluation = job.task.report(job.config, model, job.splits.test, job.splits.metadata)
    scores = write_evaluation(run, job.task, evaluation, own_test(job.splits))
    log_best(job, model, loop, (time.monotonic() - reported) / len(job.splits.test))
    now = time.monotonic()
    finish_record(run, job.task, loop, scores, {**wall_seconds, "test": now - tested, "total": now - began})


def run_name(data_path: str) -> str:
    """``photos`` for ``my/photos/``, ``digits`` for ``bundled:digits``, ``mnist`` for ``tfds:mnist:3.0.1@train``."""
    name = data_path.partition(":")[2] or data_path
    return re.split("[:/@]", name)[0] if data_path.startswith("tfds:") else Path(name).resolve().stem
