"""KerasTuner's tuner over tfpt's own training loop: it asks the oracle for values, and tells it the score."""

import contextlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine import base_tuner

from tfpt.atomic_files import make_folder
from tfpt.config.search_space import Dimension
from tfpt.errors import Interrupted
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

    ``waits(True)`` is called before it asks for a trial, ``waits(False)`` when it has one.
    """

    def __init__(self, oracle: keras_tuner.Oracle, space: Sequence[Dimension], folder: Path,
                 run_request: Callable[[Request], TrialResult], told: Callable[[TrialResult], None],
                 waits: Callable[[bool], None]):
        self._space, self._run_request, self._told, self._waits = space, run_request, told, waits
        self._result: TrialResult | None = None
        make_folder(folder)
        with contextlib.redirect_stdout(io.StringIO()):  # it says that it reloads
            super().__init__(oracle, directory=str(folder.parent), project_name=folder.name)

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
        """Train; KerasTuner notes the exception of a failed trial and goes on."""
        try:
            self._result = self._run_request(request_of(trial, self._space))
        except Interrupted as stop:  # KerasTuner would take it for the trial's failure
            raise keras_tuner.errors.FatalError(str(stop)) from stop
        if self._result.status != "completed" or self._result.score is None:
            raise keras_tuner.errors.FailedTrialError(self._result.why or "failed")
        return {self.oracle.objective.name: self._result.score}

    def on_trial_end(self, trial: Any) -> None:
        super().on_trial_end(trial)
        assert self._result is not None
        self._told(self._result)

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


def request_of(trial: Any, space: Sequence[Dimension]) -> Request:
    """What KerasTuner's ``trial`` asks for."""
    values = trial.hyperparameters.values
    earlier = values.get("tuner/trial_id")
    epochs = values.get("tuner/epochs")
    return Request(trial_number(trial.trial_id), settings_of(space, values), None if epochs is None else int(epochs),
                   None if earlier is None else trial_number(earlier))


def reported_results(oracle: keras_tuner.Oracle, space: Sequence[Dimension]) -> list[TrialResult]:
    """What workers told the chief of the trials that are over. Of a failure they can't tell the reason."""
    results = []
    for trial_id in oracle.end_order:
        trial = oracle.trials[trial_id]
        completed = trial.status == "COMPLETED"
        results.append(TrialResult(
            number=trial_number(trial_id), values=settings_of(space, trial.hyperparameters.values),
            status="completed" if completed else "failed", score=trial.score, epoch=None, epochs=0,
            metrics={oracle.objective.name: trial.score} if completed else {},
            why=None if completed else "the worker has the reason", wall_seconds=0.0, run=""))
    return results


def trial_number(trial_id: str) -> int:
    """KerasTuner counts from 0, in text."""
    return int(trial_id) + 1
