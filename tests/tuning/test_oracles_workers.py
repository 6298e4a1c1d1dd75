"""An oracle as the chief's server has it: asked by workers of its own search and of others, from several threads."""

import threading

import pytest
from keras_tuner.engine.trial import Trial
from keras_tuner.src.distribute.oracle_chief import exit_chief

from tests.tuning.searches import finish, oracle_in, results, run
from tfpt.errors import RunError
from tfpt.tuning import oracles

OURS, OURS_TOO, FOREIGN = "worker-0123456789ab-1", "worker-0123456789ab-2", "worker-ba9876543210-1"


@pytest.fixture
def oracle(tmp_path):
    return chief_in(tmp_path)


def chief_in(folder, trials=3):
    return oracle_in(folder, trials=trials, fingerprint="0123456789ab")


@pytest.mark.parametrize("stranger", [FOREIGN, "worker-1", "tuner1", "worker-0123456789abc-1", ""])
def test_a_worker_of_another_search_is_sent_away_and_leaves_no_trace(oracle, stranger):
    assert Trial.from_proto(oracle.create_trial(stranger).to_proto()).status == "STOPPED"
    assert not oracle.trials and not oracle.ongoing_trials and stranger not in oracle.tuner_ids


@pytest.mark.parametrize("tuner", [OURS, "tuner0"])
def test_the_server_ends_with_the_search_and_not_with_a_stranger(oracle, tuner):
    assert oracle.create_trial(FOREIGN).status == "STOPPED"
    assert not exit_chief(oracle)
    run(oracle, tuner=tuner)
    assert len(oracle.end_order) == 3 and exit_chief(oracle)
    assert oracle.create_trial(FOREIGN).status == "STOPPED" and exit_chief(oracle)


@pytest.mark.parametrize("anew", [False, True])
def test_reports_from_another_search_change_nothing(tmp_path, oracle, anew):
    other = oracle_in(tmp_path / "other", trials=3, fingerprint="ba9876543210")
    stray, unknown = other.create_trial(FOREIGN), other.create_trial(FOREIGN + "b")
    under_way = oracle.create_trial(OURS)
    assert stray.trial_id.partition("@")[0] == under_way.trial_id.partition("@")[0]
    if anew:  # the chief: its trial waits for a worker
        oracle = chief_in(tmp_path)
        oracle.reload()
    for trial in (stray, unknown):
        assert not oracle.get_trial(trial.trial_id).to_proto().metrics.metrics
        assert oracle.update_trial(trial.trial_id, {"accuracy": 0.9}).to_proto().trial_id == trial.trial_id
        assert oracle.update_trial(trial.trial_id, {"loss": 0.9}).to_proto().trial_id == trial.trial_id
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        trial.status = "FAILED"
        oracle.end_trial(trial)
    assert not oracle.end_order and list(oracle.ongoing_trials) == ([] if anew else [OURS])
    finish(oracle, under_way, lambda _: 0.3)
    assert results(oracle)["0"][:2] == ("COMPLETED", 0.3)


def test_a_trial_is_reported_by_the_worker_that_has_it(tmp_path, oracle):
    first = oracle.create_trial(OURS)
    again = chief_in(tmp_path)
    again.reload()
    second = again.create_trial(OURS_TOO)  # the chief was started anew, and the first worker is still at it
    assert first.trial_id != second.trial_id and again.start_order == ["0"]
    finish(again, first, lambda _: 0.1)
    assert not again.end_order
    finish(again, second, lambda _: 0.2)
    finish(again, first, lambda _: 0.1)
    assert again.end_order == ["0"] and again.trials["0"].score == 0.2


def test_a_trial_that_no_worker_has_is_reported_by_the_one_that_had_it(tmp_path, oracle):
    trial = oracle.create_trial(OURS)
    again = chief_in(tmp_path)
    again.reload()
    finish(again, trial, lambda _: 0.1)
    assert again.end_order == ["0"] and again.create_trial(OURS_TOO).trial_id.startswith("1@")


def in_another_thread(call):
    answer = []
    thread = threading.Thread(target=lambda: answer.append(call()), daemon=True)
    thread.start()
    thread.join(20)
    assert answer, "the lock is held"
    return answer[0]


@pytest.mark.parametrize("method", ["populate_space", "_record_values", "update_space", "_check_objective_found"])
def test_what_breaks_down_lets_go_of_the_lock(oracle, monkeypatch, method):
    trial = oracle.create_trial(OURS)
    monkeypatch.setattr(oracle, method, lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        finish_or_raise(oracle, trial)
        oracle.create_trial(OURS)
    assert in_another_thread(lambda: exit_chief(oracle)) is False


def finish_or_raise(oracle, trial):
    oracle.update_trial(trial.trial_id, {"accuracy": 0.5}, step=1)
    trial.status = "COMPLETED"
    oracle.end_trial(trial)


@pytest.mark.parametrize("full_from", ["beginning", "end"])
def test_a_full_disk_sends_all_workers_away_and_ends_the_server(tmp_path, oracle, monkeypatch, full_from):
    def full(*_):
        raise RunError("no space left")

    trial = oracle.create_trial(OURS)
    before = (tmp_path / "search" / "oracle.json").read_text()
    monkeypatch.setattr(oracles, "atomic_write_text", full)
    if full_from == "end":
        finish_or_raise(oracle, trial)
    assert oracle.create_trial(OURS_TOO).status == "STOPPED"
    assert str(oracle.failure) == "no space left" and in_another_thread(lambda: exit_chief(oracle)) is True
    assert (tmp_path / "search" / "oracle.json").read_text() == before
