"""KerasTuner's oracles, made durable: what a search knows is one file, whole whenever the search is killed."""

import copy
import json
import math
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import sklearn.exceptions
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.engine.oracle import LOCKS, THREADS

from tfpt.atomic_files import atomic_write_text
from tfpt.config.search_space import Dimension
from tfpt.errors import RunError
from tfpt.tuning.hyperparameters import hyperparameters

LARGEST_SEED = 2 ** 32 - 1


class _Durable(keras_tuner.Oracle):
    """What the oracles of all engines share: one atomic file, failures as a matter of course, no printing.

    A trial is over once it is in ``end_order``: its status is no measure, the tuner sets it before it reports. A worker
    gets its trial's id with its own behind an @: KerasTuner's reports don't say whose they are.

    ``failure`` is why nothing can be saved any more. In a chief it arises in a thread of KerasTuner's server, which
    would swallow it; so all workers are sent away, which ends the server, and the tuner raises it.
    """

    def __init__(self, *, seed: int, fingerprint: str = "", **options: Any):
        # KerasTuner takes the seed 0 for none.
        super().__init__(seed=seed or LARGEST_SEED, allow_new_entries=False, max_retries_per_trial=0,
                         max_consecutive_failed_trials=sys.maxsize, **options)
        self.verbose = 0
        self.failure: RunError | None = None
        self._our_workers = f"worker-{fingerprint}-" if fingerprint else ""
        self._max_collisions = 1000  # after 20 draws, its own number, small spaces are left with values untried
        self._saving = True
        self.tuner_ids.add("chief")  # or the server would end after a first worker that isn't ours

    def create_trial(self, tuner_id: str) -> Trial:
        """The next trial for a worker; one that asks again has lost its trial and gets it anew, without reports.

        STOPPED sends it away: the search is over, can't be saved any more, or is another than the worker's.
        """
        with self._locked():
            is_worker = tuner_id not in ("chief", "tuner0")  # KerasTuner's ids of those in the oracle's process
            if is_worker and not tuner_id.startswith(self._our_workers):
                return self._no_trial()
            if tuner_id in self.ongoing_trials:
                trial = _unreported(self.ongoing_trials[tuner_id])
                self.trials[trial.trial_id] = self.ongoing_trials[tuner_id] = trial
            try:
                trial = super().create_trial(tuner_id)
            except RunError as error:
                self.failure = error
            if self.failure is not None:
                self.ongoing_trials.clear()
                self.tuner_ids.clear()
                return self._no_trial()
            if trial.status == TrialStatus.STOPPED:
                self.tuner_ids.discard("chief")
            if is_worker and self._our_workers:
                trial = copy.copy(trial)
                trial.trial_id += f"@{tuner_id}"
            return trial

    def get_trial(self, trial_id: str) -> Trial:
        """What is known of a trial; nothing for a worker whose reports don't count."""
        return self._awaited(trial_id) or self.trials.get(trial_id) or self._no_trial(trial_id)

    def update_trial(self, trial_id: str, metrics: dict[str, float], step: int = 0) -> Trial:
        """Takes a worker's report, if it is awaited."""
        with self._locked():
            trial = self._awaited(trial_id)
            if trial is None:
                return self.get_trial(trial_id)
            # numpy, which KerasTuner looks for the best with, warns of NaN; neither is a score.
            numbers = {name: math.inf if math.isnan(value) else value for name, value in metrics.items()}
            return super().update_trial(trial.trial_id, numbers, step=step)

    def end_trial(self, trial: Trial) -> None:
        """Ends a trial, once, however often workers say so; from then on its result is safe."""
        with self._locked():
            ours, status = self._awaited(trial.trial_id), trial.status
            if ours is None:
                return
            if status == TrialStatus.COMPLETED:
                if not ours.metrics.exists(self.objective.name):
                    return  # the chief that had its report was killed; this one gives the trial out again
                if not math.isfinite(ours.metrics.get_best_value(self.objective.name)):
                    status = TrialStatus.FAILED  # KerasTuner fails NaN alone; its Bayesian oracle takes infinity for 0
            # KerasTuner saves in the middle of it: the trial would be both over and ongoing.
            self._saving = False
            try:
                # What came over the network has its space in another order.
                super().end_trial(Trial(ours.hyperparameters, ours.trial_id, status, trial.message))
            finally:
                self._saving = True
            if ours.trial_id in self._retry_queue:  # of a worker that outlived the chief which gave it the trial
                self._retry_queue.remove(ours.trial_id)
            try:
                self.save()
            except RunError as error:
                self.failure = error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """KerasTuner's lock against its server's other threads; its own decorator keeps it when a call raises."""
        with LOCKS[self]:
            THREADS[self] = threading.current_thread().name
            try:
                yield
            finally:
                THREADS[self] = None

    def _awaited(self, trial_id: str) -> Trial | None:
        """The trial of a report, unless it is over, or the worker is of another search, or another worker has it now.

        A trial that nobody has, since the chief was started anew, may be reported by the worker that had it.
        """
        name, _, worker = trial_id.partition("@")
        holders = [tuner for tuner, trial in self.ongoing_trials.items() if trial.trial_id == name]
        has_it = not worker or worker.startswith(self._our_workers) and holders in ([], [worker])
        return self.trials.get(name) if has_it and name not in self.end_order else None

    def _no_trial(self, trial_id: str = "") -> Trial:
        return Trial(self.get_space(), trial_id, TrialStatus.STOPPED)

    def save(self) -> None:
        """Writes the state and all trials to ``oracle.json``."""
        if self._saving:
            state = {"oracle": self.get_state(), "trials": [self.trials[name].get_state() for name in self.start_order]}
            atomic_write_text(Path(self._get_oracle_fname()), json.dumps(state))

    def _save_trial(self, trial: Trial) -> None:
        """Nothing: ``save`` writes it, and what a trial reported before its end isn't kept."""

    def reload(self) -> None:
        """Goes on from ``oracle.json``; where there is none, the search begins.

        Trials that aren't over run again, once, from their beginning, under their own ids and values.

        Raises:
            RunError: the file is damaged.
        """
        file = Path(self._get_oracle_fname())
        if not file.exists():
            return
        try:
            saved = json.loads(file.read_text(encoding="utf-8"))
            self.trials = {state["trial_id"]: Trial.from_state(state) for state in saved["trials"]}
            self.set_state(saved["oracle"])
            if list(self.trials) != self.start_order or not self.trials.keys() >= set(self.end_order):
                raise ValueError("its trials aren't those of its order")
        except Exception as error:  # a damaged state raises nearly every type
            self.end_order: list[str] = []  # nobody may report what was half read
            raise RunError(f"Expected the state of a search in {file}, but it can't be read: {error!r}. Something "
                           f"other than tfpt wrote or damaged it; start a new search.") from error
        self.ongoing_trials: dict[str, Trial] = {}
        # KerasTuner takes the last of the queue first.
        self._retry_queue = [name for name in reversed(self.start_order) if name not in self.end_order]
        for name in self._retry_queue:
            self.trials[name] = _unreported(self.trials[name])


def _unreported(trial: Trial) -> Trial:
    """``trial`` as it was when it was first given out."""
    return Trial(hyperparameters=trial.hyperparameters, trial_id=trial.trial_id, status=TrialStatus.RUNNING)


class _Random(_Durable, keras_tuner.oracles.RandomSearchOracle):
    """Values at random, none of them twice."""


class _Bayesian(_Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """A Gaussian process says where to look. KerasTuner's own proposes values twice."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        # The generator isn't part of the state: made anew, a search that was killed goes on as it would have.
        self._random_state = np.random.RandomState((self.seed + len(self.trials)) % (LARGEST_SEED + 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
            found: dict[str, Any] = super().populate_space(trial_id)
        if found["status"] == TrialStatus.RUNNING and self._duplicate(found["values"]):
            return self._random_populate_space()
        return found


class _Grid(_Durable, keras_tuner.oracles.GridSearchOracle):
    """Every combination once. KerasTuner's own can't be reloaded: it saves neither order nor queue (#1055)."""

    def get_state(self) -> dict[str, Any]:
        ordered, name = [], self.start_order[0] if self.start_order else None  # the first trial is the first in order
        while name is not None:
            ordered.append(name)
            name = self._ordered_ids.next(name)
        return {**super().get_state(), "ordered_ids": ordered, "populate_next": list(self._populate_next)}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self._ordered_ids: Any = type(self._ordered_ids)()
        for name in state["ordered_ids"]:
            self._ordered_ids.insert(name)
        self._populate_next = state["populate_next"]


class _Hyperband(_Durable, keras_tuner.oracles.HyperbandOracle):
    """Many trials for a few epochs each, the best of them for more, in rounds; brackets begin at different epochs.

    KerasTuner's own counts on every trial of a round: after one failure no trial of that bracket is trained to the
    end, and a space with fewer values than the first round wants ends the search there. Here a trial that failed, or
    can't be had, is one of those that aren't taken further.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        while True:
            self._remove_completed_brackets()
            for bracket in self._brackets:
                values = self._next_values(bracket, trial_id)
                if values is not None:
                    return {"status": TrialStatus.RUNNING, "values": values}
            if self._current_bracket == 0:
                return {"status": TrialStatus.IDLE if self.ongoing_trials else TrialStatus.STOPPED}
            self._increment_bracket_num()
            self._start_new_bracket()

    def _next_values(self, bracket: dict[str, Any], trial_id: str) -> dict[str, Any] | None:
        """The values of the next trial that ``bracket`` wants and can have now, if any."""
        number, rounds = bracket["bracket_num"], bracket["rounds"]
        if len(rounds[0]) < self._get_size(number, 0):
            values: dict[str, Any] | None = self._random_trial(trial_id, bracket).get("values")
            if values is not None:
                return values
        final = True  # nothing more comes into the round before: it is full, or can't be filled
        for place in range(1, len(rounds)):
            earlier, size = rounds[place - 1], self._get_size(number, place)
            earlier_size = self._get_size(number, place - 1)
            taken = {entry["past_id"] for entry in rounds[place]}
            over = [self.trials[entry["id"]] for entry in earlier if entry["id"] in self.end_order]
            candidates = [trial for trial in over if trial.status == TrialStatus.COMPLETED
                          and trial.trial_id not in taken]
            missing = sum(trial.status != TrialStatus.COMPLETED for trial in over)
            missing += earlier_size - len(earlier) if final else 0
            if candidates and len(rounds[place]) < size and len(candidates) + missing > earlier_size - size:
                best = (max if self.objective.direction == "max" else min)(candidates, key=lambda trial: trial.score)
                rounds[place].append({"past_id": best.trial_id, "id": trial_id})
                return self._promoted(best, number, place)
            final = final and len(over) == len(earlier)
        return None

    def _promoted(self, trial: Trial, bracket_number: int, place: int) -> dict[str, Any]:
        return {**trial.hyperparameters.values, "tuner/trial_id": trial.trial_id, "tuner/bracket": bracket_number,
                "tuner/round": place, "tuner/initial_epoch": self._get_epochs(bracket_number, place - 1),
                "tuner/epochs": self._get_epochs(bracket_number, place)}


ENGINES = {"random": _Random, "bayesian": _Bayesian, "hyperband": _Hyperband, "grid": _Grid}


def make_oracle(engine: str, space: Sequence[Dimension], *, objective: str, direction: str, trials: int | None,
                seed: int, max_epochs: int, factor: int = 3, fingerprint: str = "") -> keras_tuner.Oracle:
    """The part of a search that decides which values to try next.

    Args:
        engine: random, bayesian, hyperband or grid.
        space: what may vary.
        objective: the metric that trials report, and by which they are compared.
        direction: max or min, whichever is better.
        trials: at most so many; None: all that the space or Hyperband's brackets have, without end for a range.
        seed: from 0 to 2**32 - 1; the same seed gives the same search, as long as one worker runs it.
        max_epochs: of a trial that Hyperband trains to the end.
        factor: Hyperband takes one trial in so many further, and trains it so many times longer.
        fingerprint: of the search; with it, a worker gets no trial, and reports in vain, unless its id begins with
            ``worker-<fingerprint>-``.
    """
    options: dict[str, Any] = {"objective": keras_tuner.Objective(objective, direction), "seed": seed,
                               "hyperparameters": hyperparameters(space), "fingerprint": fingerprint}
    if engine == "hyperband":
        oracle = _Hyperband(max_epochs=max_epochs, factor=factor, **options)
        oracle.max_trials = trials
        return oracle
    return ENGINES[engine](max_trials=trials, **options)


def hyperband_rungs(max_epochs: int, factor: int) -> list[int]:
    """The epochs after which Hyperband compares trials, in ascending order, ``max_epochs`` among them."""
    brackets = keras_tuner.oracles.HyperbandOracle(keras_tuner.Objective("loss", "min"), max_epochs, factor)
    return sorted({brackets._get_epochs(number, place) for number in range(brackets._get_num_brackets())
                   for place in range(brackets._get_num_rounds(number))})
