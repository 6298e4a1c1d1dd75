"""KerasTuner's tuner over tfpt's own training loop: it asks the oracle for values, and tells it the score."""

import contextlib
import functools
import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine import base_tuner
from keras_tuner.src.engine import base_tuner as base_tuner_module

from tfpt.atomic_files import make_folder
from tfpt.config.search_space import Dimension
from tfpt.errors import Interrupted, RunError, UsageError
from tfpt.tuning.hyperparameters import settings_of
from tfpt.tuning.trial_result import TrialResult

_ASK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class Request:
    """A trial that the oracle wants: its number from 1, the settings to try and, under Hyperband, the epoch to train
    to and the number of the trial to go on from.
    """

    number: int
    values: Mapping[str, Any]
    until_epoch: int | None = None
    goes_on_from: int | None = None


class TrialTuner(base_tuner.BaseTuner):
    """Runs trials by ``run_request`` and hands their results to ``told``, once the oracle has them on disk.

    ``waits(True)`` is called before it asks for a trial, ``waits(False)`` when it has one. What ``run_request`` raises
    fails the trial, but Interrupted and UsageError stop the search and leave it open.
    """

    def __init__(self, oracle: keras_tuner.Oracle, space: Sequence[Dimension], folder: Path,
                 run_request: Callable[[Request], TrialResult], told: Callable[[TrialResult], None],
                 waits: Callable[[bool], None]):
        self._space, self._run_request, self._told, self._waits = space, run_request, told, waits
        self._result: TrialResult | None = None
        make_folder(folder)
        with contextlib.redirect_stdout(io.StringIO()):  # it says that it reloads
            super().__init__(oracle, directory=str(folder.parent), project_name=folder.name)
        base_tuner_module.config_module.DEBUG = False  # it would print the traceback of every failed trial
        if self._is_worker():
            self.oracle: Any = _Chief(self.oracle)

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """KerasTuner's loop, until the oracle has no more trials.

        Raises:
            keras_tuner.errors.FatalError: something stopped it, the cause; a trial that was under way is left open.
            RunError: what the oracle knows can't be written.
        """
        super().search(*fit_args, **fit_kwargs)
        if not self._is_worker() and self.oracle.failure is not None:
            raise self.oracle.failure

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
        """Train; KerasTuner notes the exception of a failed trial and goes on."""
        self._result = None
        try:
            result = self._result = self._run_request(request_of(trial, self._space))
        except (Interrupted, UsageError) as stop:  # KerasTuner would take it for the trial's failure
            raise keras_tuner.errors.FatalError(str(stop)) from stop
        if result.status != "completed" or result.score is None:
            raise keras_tuner.errors.FailedTrialError(result.why or "failed")
        return {self.oracle.objective.name: result.score}

    def on_trial_end(self, trial: Any) -> None:
        super().on_trial_end(trial)
        problem = (trial.message or "").strip().rpartition("\n")[2]  # after the traceback
        self._told(self._result or _reported_result(trial, self._space, self.oracle.objective.name, problem))

    def pre_create_trial(self) -> None:
        self._waits(True)
        if self._is_worker():  # the chief may have nothing to do yet, and KerasTuner asks again without a pause
            time.sleep(_ASK_AGAIN_SECONDS)

    def on_trial_begin(self, trial: Any) -> None:
        self._waits(False)

    def save(self) -> None:
        """All that there is to save is the oracle's, which does it in one file."""
        if not self._is_worker():
            self.oracle.save()

    def reload(self) -> None:
        if not self._is_worker():
            self.oracle.reload()

    def _get_tuner_fname(self) -> str:
        """What KerasTuner looks for to see whether there is something to reload."""
        return str(self.oracle._get_oracle_fname())


class _Chief:
    """KerasTuner's client of the chief's oracle. Without an answer, which KerasTuner would take for the failure of the
    trial, the worker ends.
    """

    def __init__(self, client: Any):
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return functools.partial(_ask_chief, found) if callable(found) else found


def _ask_chief(method: Callable[..., Any], *args: Any, **options: Any) -> Any:
    import grpc  # only workers need it

    try:
        return method(*args, **options)
    except grpc.RpcError as error:
        address = f"{os.environ['KERASTUNER_ORACLE_IP']}:{os.environ['KERASTUNER_ORACLE_PORT']}"
        lost = RunError(f"The chief at {address} can't be reached any more: it has ended or was stopped. The result of "
                        "a trial that this worker has finished is kept in its folder of the search. Start the chief "
                        "again with --resume, then this worker.")
        lost.__cause__ = error
        raise keras_tuner.errors.FatalError(str(lost)) from lost


def request_of(trial: Any, space: Sequence[Dimension]) -> Request:
    """What KerasTuner's ``trial`` asks for."""
    values = trial.hyperparameters.values
    earlier = values.get("tuner/trial_id")
    epochs = values.get("tuner/epochs")
    return Request(trial_number(trial.trial_id), settings_of(space, values), None if epochs is None else int(epochs),
                   None if earlier is None else trial_number(earlier))


def reported_results(oracle: keras_tuner.Oracle, space: Sequence[Dimension]) -> list[TrialResult]:
    """What workers told the chief of the trials that are over. Of a failure they can't tell the reason."""
    return [_reported_result(oracle.trials[trial_id], space, oracle.objective.name, "the worker has the reason")
            for trial_id in oracle.end_order]


def _reported_result(trial: Any, space: Sequence[Dimension], objective: str, problem: str) -> TrialResult:
    """What KerasTuner knows of a trial that is over; ``problem`` is why, if it failed."""
    completed = trial.status == "COMPLETED"
    return TrialResult(
        number=trial_number(trial.trial_id), values=settings_of(space, trial.hyperparameters.values),
        status="completed" if completed else "failed", score=trial.score, epoch=None, epochs=0,
        metrics={objective: trial.score} if completed else {}, why=None if completed else problem, wall_seconds=0.0,
        run="")


def trial_number(trial_id: str) -> int:
    """KerasTuner counts from 0, in text; behind an @ is the worker that has the trial."""
    return int(trial_id.partition("@")[0]) + 1
