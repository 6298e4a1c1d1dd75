"""One trial of a search: the ordinary training loop on the search's workbench, scored by its validation."""

import shutil
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpt.atomic_files import make_folder
from tfpt.errors import Interrupted, RunError, TfptError
from tfpt.run_directory import Run, lock_run
from tfpt.task import Task
from tfpt.training import checkpoint
from tfpt.training.job import Job, all_variables
from tfpt.training.loop import Loop, restore
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
        """
        finished = read_result(self.search, request.number)
        if finished is not None:  # the process was killed before it could report it
            return finished
        began = time.monotonic()
        histories, why = [], None
        try:
            for execution in range(self.settings.executions_per_trial):
                histories.append(self._train(request, execution))
        except Interrupted:
            raise
        except Exception as problem:
            why = self._why(request, problem)
        result = self._result(request, histories, why, time.monotonic() - began)
        write_result(self.search, result)
        return result

    def _train(self, request: Request, execution: int) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl of one execution."""
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
                loop = self._loop(job, run, request, execution)
                loop.run(request.until_epoch)
                _finish_record(run, loop)
        return loop.state.history

    def _loop(self, job: Job, run: Run, request: Request, execution: int) -> Loop:
        """From the trial's own checkpoint if it was interrupted, or from the one that it goes on from, or new."""
        earlier = self.search.trial(request.goes_on_from, execution) if request.goes_on_from else None
        for source in [run, *([earlier] if earlier else [])]:
            found = checkpoint.load_newest(source.checkpoints, checkpoint.describe(all_variables(job))) \
                if source.checkpoints.exists() else None
            if found is not None:
                return restore(job, found[0])
        if earlier is not None:
            raise RunError(f"Trial {request.number} goes on from trial {request.goes_on_from}, but there is no "
                           f"checkpoint in {earlier.checkpoints}. All workers need the same --run-dir, on a disk that "
                           "they share.")
        return Loop(job)

    def _why(self, request: Request, problem: Exception) -> str:
        """The reason in a line. A traceback of what isn't ours goes to a file, and nothing half done is used again."""
        if isinstance(problem, TfptError):
            return " ".join(str(problem).split())
        self.bench.clear()
        file = self.search.trial(request.number).path / CRASH_FILE
        file.write_text("".join(traceback.format_exception(problem)), encoding="utf-8")
        return f"{type(problem).__name__}: {' '.join(str(problem).split())[:200]} ({file.name} has the traceback)"

    def _result(self, request: Request, histories: list[list[dict[str, Any]]], why: str | None,
                wall_seconds: float) -> TrialResult:
        """The mean over executions of each one's best epoch."""
        bests = [self._best_line(history) for history in histories]
        complete = why is None and bool(bests)
        metrics = {name: sum(best[f"validation_{name}"] for best in bests) / len(bests)
                   for name in self.task.objectives} if complete else {}
        run = self.search.trial(request.number)
        if not self._may_go_on():
            shutil.rmtree(run.checkpoints, ignore_errors=True)
        return TrialResult(
            number=request.number, values=dict(request.values), status="completed" if complete else "failed",
            score=metrics.get(self.settings.objective), epoch=bests[0]["epoch"] if complete else None,
            epochs=len(histories[0]) if histories else 0, metrics=metrics, why=why, wall_seconds=wall_seconds,
            run=str(run.path))

    def _best_line(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        best = max if self.settings.direction == "max" else min
        return best(history, key=lambda line: line[f"validation_{self.settings.objective}"])

    def _may_go_on(self) -> bool:
        return self.settings.engine == "hyperband"


def _finish_record(run: Run, loop: Loop) -> None:
    best: Mapping[str, Any] = loop.state.best or {}
    run.update_manifest(status="finished", why=None, best_epoch=best.get("epoch"),
                        metrics={"validation": best.get("validation")},
                        wall_seconds={name: round(value, 2) for name, value in loop.state.wall_seconds.items()})
