"""Searches in which a made-up score takes the place of training."""

import json

from tfpt.config.search_space import Dimension
from tfpt.tuning.hyperparameters import settings_of
from tfpt.tuning.oracles import make_oracle

SPACE = (Dimension("freeze.unfreeze", values=(0, 5, "all", None)),
         Dimension("optimizer.learning_rate", low=1e-4, high=1e-2, sampling="log"),
         Dimension("augment.flip", values=(True, False)))
SMALL = (Dimension("freeze.unfreeze", values=(0, 5, "all")), Dimension("train.epochs", low=1, high=2, whole=True),
         Dimension("augment.flip", values=(True, False)))
TRIALS = {"random": 7, "bayesian": 12, "hyperband": None, "grid": None}


def oracle_in(folder, engine="random", space=SPACE, trials=None, seed=3, max_epochs=9, direction="max", fingerprint=""):
    oracle = make_oracle(engine, space, objective="accuracy", direction=direction, trials=trials, seed=seed,
                         max_epochs=max_epochs, fingerprint=fingerprint)
    oracle._set_project_dir(str(folder), "search")
    return oracle


def score(trial):
    """A made-up accuracy: a function of the trial's values alone."""
    text = json.dumps({name: value for name, value in trial.hyperparameters.values.items() if "tuner/" not in name})
    return sum(text.encode()) % 997 / 997


def run(oracle, result=score, tuner="tuner0", asked=None):
    """Runs a search to its end, as KerasTuner's loop does; ``result`` gives a trial's score, or raises."""
    for _ in range(500):
        trial = oracle.create_trial(tuner)
        if trial.status == "STOPPED":
            return oracle
        assert trial.status == "RUNNING", "an idle oracle without a trial under way never ends"
        if asked is not None:
            asked.append(trial.trial_id)
        finish(oracle, trial, result)
    raise AssertionError("the search doesn't end")


def finish(oracle, trial, result=score):
    try:
        oracle.update_trial(trial.trial_id, {"accuracy": result(trial)}, step=1)
        trial.status = "COMPLETED"
    except ArithmeticError:
        trial.status = "INVALID"
    oracle.end_trial(trial)


def tried(oracle, space=SPACE):
    return [json.dumps(settings_of(space, trial.hyperparameters.values)) for trial in oracle.trials.values()]


def results(oracle):
    """What is known of the trials, but for the order of their ends."""
    return {name: (trial.status, trial.score, trial.hyperparameters.values) for name, trial in oracle.trials.items()}
