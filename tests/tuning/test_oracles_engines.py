import math
from collections import Counter

import pytest

from tests.tuning.searches import SMALL, SPACE, TRIALS, oracle_in, run, score, tried
from tfpt.config.search_space import Dimension
from tfpt.tuning.hyperparameters import settings_of
from tfpt.tuning.oracles import ENGINES, hyperband_rungs

pytestmark = pytest.mark.usefixtures("quick_proposals")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_search_in_which_every_trial_fails_ends(tmp_path, capfd, engine):
    def fail(trial):
        raise ArithmeticError

    oracle = run(oracle_in(tmp_path, engine, SMALL, 8 if TRIALS[engine] else None), fail)
    assert {trial.status for trial in oracle.trials.values()} == {"FAILED"}
    assert len(oracle.trials) == {"random": 8, "bayesian": 8, "grid": 12, "hyperband": 12}[engine]
    assert capfd.readouterr().out == ""


@pytest.mark.filterwarnings("error:All-NaN")
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_fails_the_trial(tmp_path, bad):
    oracle = oracle_in(tmp_path, trials=1)
    run(oracle, lambda trial: bad)
    trial, = oracle.trials.values()
    assert (trial.status, trial.score) == ("FAILED", None)


def test_a_seed_gives_the_same_search_0_among_them(tmp_path):
    searches = [tried(run(oracle_in(tmp_path / str(number), trials=4, seed=seed)))
                for number, seed in enumerate([0, 0, 1, 2 ** 32 - 2])]
    assert searches[0] == searches[1] and len(set(map(tuple, searches))) == 3
    first, second = (tried(run(oracle_in(tmp_path / name, "bayesian", trials=11, seed=0))) for name in "ab")
    assert first == second


@pytest.mark.parametrize("engine", ["random", "bayesian"])
def test_a_small_space_is_searched_to_its_end_and_no_further(tmp_path, engine):
    found = tried(run(oracle_in(tmp_path, engine, SMALL, 30)), SMALL)
    assert len(found) == len(set(found)) == 12


@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_bayesian_search_closes_in_on_the_best(tmp_path, direction):
    space = (Dimension("model.head.dropout", low=0.0, high=0.9), Dimension("train.epochs", low=1, high=50, whole=True),
             Dimension("optimizer.learning_rate", low=1e-5, high=1e-1, sampling="log"))

    def distance(trial):
        values = settings_of(space, trial.hyperparameters.values)
        parts = (values["model.head.dropout"] / 0.9 - 0.3, values["train.epochs"] / 50 - 0.7,
                 math.log10(values["optimizer.learning_rate"]) / 4 + 0.9)
        return sum(part ** 2 for part in parts) * (-1 if direction == "max" else 1)

    engines = {engine: run(oracle_in(tmp_path / engine, engine, space, 25, seed=5, direction=direction), distance)
               for engine in ("random", "bayesian")}
    best = {engine: abs(oracle.get_best_trials()[0].score) for engine, oracle in engines.items()}
    assert best["bayesian"] < 0.003 and best["bayesian"] < best["random"] / 3, best


@pytest.mark.parametrize("direction", ["max", "min"])
def test_hyperband_takes_the_best_further(tmp_path, direction):
    oracle = run(oracle_in(tmp_path, "hyperband", direction=direction))
    rounds = {}
    for trial in oracle.trials.values():
        values = trial.hyperparameters.values
        rounds.setdefault((values["tuner/bracket"], values["tuner/round"]), []).append(trial)
        assert values["tuner/epochs"] in hyperband_rungs(9, 3)
        if "tuner/trial_id" in values:
            past = oracle.trials[values["tuner/trial_id"]].hyperparameters.values
            assert values["tuner/initial_epoch"] == past["tuner/epochs"]
            assert settings_of(SPACE, values) == settings_of(SPACE, past)
    assert {key: len(trials) for key, trials in rounds.items()} == {
        (2, 0): 9, (2, 1): 3, (2, 2): 1, (1, 0): 5, (1, 1): 2, (0, 0): 3}
    best = sorted((trial.score for trial in rounds[2, 0]), reverse=direction == "max")[:3]
    assert sorted(trial.score for trial in rounds[2, 1]) == sorted(best)


def test_hyperband_trains_the_best_to_the_end_though_others_fail(tmp_path):
    def mostly_failing(trial):
        if int(trial.trial_id) % 3:
            raise ArithmeticError
        return score(trial)

    oracle = run(oracle_in(tmp_path, "hyperband"), mostly_failing)
    rounds = Counter((trial.hyperparameters["tuner/bracket"], trial.hyperparameters["tuner/round"])
                     for trial in oracle.trials.values())
    assert rounds[2, 0] == 9 and rounds[2, 1] == 3 and rounds[2, 2] == 1


def test_hyperband_halves_a_space_smaller_than_its_first_round(tmp_path):
    space = (Dimension("train.epochs", values=(1, 2, 3, 4)),)
    oracle = run(oracle_in(tmp_path, "hyperband", space))
    epochs = Counter(trial.hyperparameters["tuner/epochs"] for trial in oracle.trials.values())
    assert epochs == {1: 4, 3: 3, 9: 1}


@pytest.mark.parametrize(("epochs", "factor", "rungs"), [
    (9, 3, [1, 3, 9]), (10, 3, [2, 4, 10]), (30, 3, [2, 4, 10, 30]), (2, 3, [2]), (1, 3, [1]), (8, 2, [1, 2, 4, 8])])
def test_rungs_are_the_epochs_at_which_hyperband_compares(epochs, factor, rungs):
    assert hyperband_rungs(epochs, factor) == rungs
