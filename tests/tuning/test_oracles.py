import json
from collections import Counter

import keras_tuner
import pytest

from tests.tuning.searches import SMALL, SPACE, TRIALS, finish, oracle_in, results, run, score, tried
from tfpt.errors import RunError
from tfpt.tuning import oracles
from tfpt.tuning.oracles import ENGINES
from tfpt.tuning.tuner import reported_results

pytestmark = pytest.mark.usefixtures("quick_proposals")


@pytest.fixture
def writes(monkeypatch):
    """The texts of every state that was written."""
    texts = []
    real = oracles.atomic_write_text
    monkeypatch.setattr(oracles, "atomic_write_text", lambda path, text: (texts.append(text), real(path, text)))
    return texts


def fails_now_and_then(trial):
    if sum(json.dumps(trial.hyperparameters.values).encode()) % 4 == 0:
        raise ArithmeticError
    return score(trial)


@pytest.mark.parametrize("result", [score, fails_now_and_then])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_search_killed_after_any_write_goes_on_as_if_it_had_not_been(tmp_path, writes, engine, result):
    space = SMALL if engine == "grid" else SPACE
    whole = run(oracle_in(tmp_path / "whole", engine, space, TRIALS[engine]), result)
    states = list(writes)
    assert len(states) == 2 * len(whole.trials)  # one when it is given out, one when it is over
    for number, state in enumerate(states):
        again = oracle_in(tmp_path / str(number), engine, space, TRIALS[engine])
        file = tmp_path / str(number) / "search" / "oracle.json"
        file.parent.mkdir(parents=True)
        file.write_text(state)
        again.reload()
        over = set(again.end_order)
        assert len(over) == (number + 1) // 2
        asked = []
        run(again, result, asked=asked)
        assert len(set(asked)) == len(asked) and not over & set(asked)
        assert over | set(asked) == set(again.trials)
        assert results(again) == results(whole)
        assert tried(again, space) == tried(whole, space)


def test_a_grid_visits_every_combination_once_however_often_it_is_killed(tmp_path):
    while True:
        oracle = oracle_in(tmp_path, "grid", SMALL)
        oracle.reload()
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        if len(oracle.end_order) % 3 == 1 and len(oracle.trials) % 2:
            oracle = oracle_in(tmp_path, "grid", SMALL)  # killed with a trial under way
            oracle.reload()
            trial = oracle.create_trial("tuner0")
        finish(oracle, trial)
    found = tried(oracle, SMALL)
    assert len(found) == len(set(found)) == 3 * 2 * 2


@pytest.mark.parametrize("engine", ENGINES)
def test_two_workers_and_a_killed_chief_lose_and_repeat_nothing(tmp_path, engine):
    space = SMALL if engine == "grid" else SPACE
    oracle, asked, stopped = oracle_in(tmp_path, engine, space, TRIALS[engine]), Counter(), set()
    under_way = {}
    for turn in range(1000):
        if turn == 6:
            before, under_way = oracle, {}
            oracle = oracle_in(tmp_path, engine, space, TRIALS[engine])
            oracle.reload()
            waiting = {name for name in before.start_order if name not in before.end_order}
        tuner = f"tuner{turn % 2}"
        if tuner in under_way:
            finish(oracle, under_way.pop(tuner))
        trial = oracle.create_trial(tuner)
        if trial.status == "RUNNING":
            under_way[tuner] = trial
            asked[trial.trial_id] += 1
        stopped |= {tuner} if trial.status == "STOPPED" else set()
        if len(stopped) == 2:
            break
    assert len(stopped) == 2 and set(oracle.end_order) == set(oracle.trials) and not oracle.ongoing_trials
    assert {name: count for name, count in asked.items() if count > 1} == dict.fromkeys(waiting, 2)
    assert all(trial.status == "COMPLETED" for trial in oracle.trials.values())
    if engine == "grid":
        assert len(set(tried(oracle, space))) == len(oracle.trials) == 12


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_printed_and_only_one_file_is_written(tmp_path, capfd, engine):
    run(oracle_in(tmp_path, engine, SMALL, 5))
    assert capfd.readouterr() == ("", "")
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["oracle.json"]


def test_a_trial_that_is_run_again_has_its_values_and_none_of_its_reports(tmp_path):
    oracle = oracle_in(tmp_path)
    trial = oracle.create_trial("tuner0")
    oracle.update_trial(trial.trial_id, {"accuracy": 0.9}, step=1)
    oracle.save()
    again = oracle_in(tmp_path)
    again.reload()
    again.reload()
    repeated = again.create_trial("tuner7")
    assert (repeated.trial_id, repeated.status) == (trial.trial_id, "RUNNING")
    assert repeated.hyperparameters.values == trial.hyperparameters.values
    assert not repeated.metrics.exists("accuracy") and again.create_trial("tuner8").trial_id != trial.trial_id


def test_a_worker_that_comes_back_gets_its_trial_anew(tmp_path):
    oracle = oracle_in(tmp_path, trials=3)
    trial = oracle.create_trial("tuner0")
    oracle.update_trial(trial.trial_id, {"accuracy": 0.9}, step=1)
    again = oracle.create_trial("tuner0")
    assert again.trial_id == trial.trial_id and not again.metrics.exists("accuracy")
    finish(oracle, again, lambda _: 0.3)
    assert oracle.trials[trial.trial_id].score == 0.3 and len(oracle.trials) == 1


def test_a_worker_that_says_it_twice_changes_nothing(tmp_path):
    oracle = oracle_in(tmp_path, trials=3)
    trial = oracle.create_trial("tuner0")
    finish(oracle, trial, lambda _: 0.3)
    before = results(oracle)
    finish(oracle, trial, lambda _: 0.9)
    trial.status = "FAILED"
    oracle.end_trial(keras_tuner.engine.trial.Trial(trial.hyperparameters, trial.trial_id, "FAILED"))
    assert oracle.end_order == [trial.trial_id] and oracle.trials[trial.trial_id].score == 0.3
    assert before[trial.trial_id][:2] == ("COMPLETED", 0.3)


def test_a_worker_may_outlive_the_chief_that_gave_it_a_trial(tmp_path):
    first = oracle_in(tmp_path, trials=2)
    reported, unreported = first.create_trial("tuner0"), first.create_trial("tuner1")
    first.update_trial(reported.trial_id, {"accuracy": 0.3}, step=1)
    second = oracle_in(tmp_path, trials=2)
    second.reload()
    reported.status = "COMPLETED"
    second.end_trial(reported)  # its report was the first chief's: it has to run again
    finish(second, unreported)
    assert second.end_order == [unreported.trial_id]
    asked = []
    run(second, asked=asked)
    assert asked == [reported.trial_id]


def test_trials_that_travelled_leave_the_oracles_values_alone(tmp_path):
    oracle = oracle_in(tmp_path, "grid", SMALL)
    for _ in range(20):
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        received = keras_tuner.engine.trial.Trial.from_proto(trial.to_proto())
        names = list(trial.hyperparameters.values)
        finish(oracle, received)
        assert list(trial.hyperparameters.values) == names
    assert len(set(tried(oracle, SMALL))) == len(oracle.trials) == 12


def test_without_a_file_the_search_begins(tmp_path):
    oracle = oracle_in(tmp_path, trials=2)
    oracle.reload()
    assert len(run(oracle).trials) == 2


@pytest.mark.parametrize("damage", [
    lambda text: text[:len(text) // 2], lambda text: "", lambda text: "[]", lambda text: "\0" + text,
    lambda text: text.replace('"seed_state"', '"seed"'), lambda text: text.replace('"0"', '"7"', 1),
    lambda text: json.dumps({**json.loads(text), "trials": []}),
    lambda text: json.dumps({**json.loads(text), "trials": [None]}),
])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, damage):
    run(oracle_in(tmp_path, trials=2))
    file = tmp_path / "search" / "oracle.json"
    file.write_text(damage(file.read_text()))
    oracle = oracle_in(tmp_path, trials=2)
    with pytest.raises(RunError, match="oracle.json.*start a new search") as caught:
        oracle.reload()
    assert "\n" not in str(caught.value)
    assert reported_results(oracle, SPACE) == []
