"""One trial of a search: the ordinary training loop on the search's workbench, scored by its validation."""

import shutil
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpt.atomic_files import make_folder
from tfpt.errors import CheckFailed, ConfigError, Interrupted, RunError, TfptError, UsageError
from tfpt.run_directory import Run, is_locked, lock_run
from tfpt.task import Task
from tfpt.training import checkpoint
from tfpt.training.job import Job, LoopState, all_variables
from tfpt.training.loop import Loop, restore
from tfpt.training.memory import is_out_of_memory
from tfpt.training.screen import Screen
from tfpt.tuning.trial_result import TrialResult
from tfpt.tuning.tuner import Request
from tfpt.tuning.workbench import Workbench
from tfpt.workflows.plan import plan_of
from tfpt.workflows.records import begin_record, status_record
from tfpt.workflows.search_folder import SearchRun
from tfpt.workflows.search_log import read_result, write_result
from tfpt.workflows.search_settings import SearchSettings

CRASH_FILE = "crash.txt"
_LOCK_SECONDS = 0.5


@dataclass(frozen=True)
class Trials:
    """Runs the trials of ``search`` in this process. ``tensorboard(number)`` is the folder of a trial's events."""

    task: Task
    settings: SearchSettings
    search: SearchRun
    bench: Workbench
    tensorboard: Callable[[int], Path]
    stop_signal: Callable[[], int | None]

    def run(self, request: Request) -> TrialResult:
        """Train and score the trial; one that breaks down is a result too.

        Raises:
            Interrupted: a signal came; the trial's state is saved, and it goes on when it is asked for again.
            UsageError: a full disk, a folder that can't be written: not the trial's fault, so that it stays open.
        """
        finished = self._finished_elsewhere(request)
        if finished is not None:
            return finished
        began, states, why, broke_off = time.monotonic(), [], None, False
        try:
            for execution in range(self.settings.executions_per_trial):
                states.append(self._train(request, execution))
        except Exception as problem:
            if isinstance(problem, (Interrupted, UsageError)) and not isinstance(problem, ConfigError):
                raise
            broke_off = _breaks_off(problem)
            why = self._why(request, problem)
        if broke_off:  # now that no traceback holds what the trial had: nothing half done is used again
            self.bench.clear()
        result = self._result(request, states, why, time.monotonic() - began)
        write_result(self.search, result)
        if self.settings.engine != "hyperband":  # whose trials may be gone on with
            for execution in range(self.settings.executions_per_trial):
                shutil.rmtree(self.search.trial(request.number, execution).checkpoints, ignore_errors=True)
        return result

    def _finished_elsewhere(self, request: Request) -> TrialResult | None:
        """The result of a process that was killed before it could report it, or of a worker that outlived its chief
        and is at work on this trial still.
        """
        while is_locked(self.search.trial(request.number)):
            if number := self.stop_signal():
                raise Interrupted("Stopped while another process trained the trial.", 128 + number)
            time.sleep(_LOCK_SECONDS)
        return read_result(self.search, request.number)

    def _train(self, request: Request, execution: int) -> LoopState:
        """The state of one execution at its end."""
        run = self.search.trial(request.number, execution)
        make_folder(run.path)
        with lock_run(run):
            config = self.settings.trial_config(self.task, request.values, execution)
            tensorboard = self.tensorboard(request.number) / (f"execution-{execution + 1}" if execution else "")
            job = self.bench.job(config, folder=run.checkpoints, metrics_file=run.metrics_file,
                                 tensorboard=tensorboard, callbacks=(), screen=Screen(quiet=True),
                                 stop_signal=self.stop_signal)
            with status_record(run):
                begin_record(run, self.task, config, job.splits, plan_of(job))
                run.update_manifest(search=str(self.search.path))
                loop = self._loop(job, run, request, execution)
                loop.run(request.until_epoch)
                _finish_record(run, loop)
        return loop.state

    def _loop(self, job: Job, run: Run, request: Request, execution: int) -> Loop:
        """From the trial's own checkpoint if it was interrupted, or from the one that it goes on from, or new."""
        own = _newest(run, job)
        if own is not None:
            return restore(job, own)
        if request.goes_on_from is None:
            return Loop(job)
        earlier = self.search.trial(request.goes_on_from, execution)
        snapshot = _newest(earlier, job)
        if snapshot is None:
            raise RunError(f"Trial {request.number} goes on from trial {request.goes_on_from}, but there is no whole "
                           f"checkpoint in {earlier.checkpoints}. All workers need the same --run-dir, on a disk that "
                           "they share.")
        return restore(job, snapshot)

    def _why(self, request: Request, problem: Exception) -> str:
        """The reason in a line; the traceback of what isn't ours goes to a file."""
        if isinstance(problem, TfptError):
            return " ".join(str(problem).split())
        file = self.search.trial(request.number).path / CRASH_FILE
        file.write_text("".join(traceback.format_exception(problem)), encoding="utf-8")
        return f"{type(problem).__name__}: {' '.join(str(problem).split())[:200]} ({file.name} has the traceback)"

    def _result(self, request: Request, states: list[LoopState], why: str | None,
                wall_seconds: float) -> TrialResult:
        """The mean over executions of each one's best epoch."""
        bests: list[Mapping[str, Any]] = [state.best for state in states if state.best]
        complete = why is None and len(bests) == self.settings.executions_per_trial
        metrics = {name: sum(best["validation"][name] for best in bests) / len(bests)
                   for name in self.task.objectives} if complete else {}
        return TrialResult(
            number=request.number, values=dict(request.values), status="completed" if complete else "failed",
            score=metrics.get(self.settings.objective), epoch=bests[0]["epoch"] if complete else None,
            epochs=len(states[0].history) if states else 0, metrics=metrics, why=why, wall_seconds=wall_seconds,
            run=str(self.search.trial(request.number).path))


def _newest(run: Run, job: Job) -> checkpoint.Snapshot | None:
    """The newest whole checkpoint; without one a trial begins again, unlike a run that somebody resumes."""
    if not run.checkpoints.exists():
        return None
    try:
        found = checkpoint.load_newest(run.checkpoints, checkpoint.describe(all_variables(job)))
    except (CheckFailed, RunError):
        return None
    return found[0] if found else None


def _breaks_off(problem: Exception) -> bool:
    """Whether what trials share may be half done, or too large."""
    return not isinstance(problem, TfptError) or is_out_of_memory(problem.__cause__)


def _finish_record(run: Run, loop: Loop) -> None:
    best: Mapping[str, Any] = loop.state.best or {}
    run.update_manifest(status="finished", why=None, best_epoch=best.get("epoch"),
                        metrics={"validation": best.get("validation")},
                        wall_seconds={name: round(value, 2) for name, value in loop.state.wall_seconds.items()})
