"""Searches under bad conditions: what is the trial's fault, what stops the search, what a resumed one insists on."""

import json
import os
import threading
import time

import pytest
import tensorflow as tf

from tests.data.image_files import class_folders
from tests.workflows.test_tune import recipe_of, small_tune
from tfpt.errors import ConfigError, DataError, RunError, UsageError
from tfpt.run_directory import lock_run
from tfpt.training import checkpoint
from tfpt.training.loop import Loop
from tfpt.workflows.search_folder import SearchRun
from tfpt.workflows.train import train
from tfpt.workflows.trials import Trials


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of images in the working directory, named by a recipe in the relative way."""
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "photos", {"one": 12, "two": 17})
    space = {"optimizer.learning_rate": {"min": 1e-3, "max": 1e-1, "sampling": "log"}}
    return recipe_of(tmp_path, space, **{"data.path": "photos", "data.train_per_class": None, "data.validation": 0.2,
                                         "data.test": 0.2, "freeze.unfreeze": 0})


def test_a_recipe_with_a_relative_path_is_resumed_with_itself_and_from_elsewhere(photos, tmp_path, monkeypatch):
    search = small_tune(tmp_path, recipe=photos, trials=1)
    assert small_tune(tmp_path, recipe=photos, trials=None, resume=True).record()["trials"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = small_tune(tmp_path, recipe=None, trials=2, resume=True, run_dir=str(search.path))
    assert len(again.record()["trials"]) == 2


def test_changed_data_is_refused_on_resume(photos, tmp_path):
    search = small_tune(tmp_path, recipe=photos, trials=1)
    class_folders(tmp_path / "photos", {"one": 14, "two": 20})
    with pytest.raises(DataError, match="data has changed"):
        small_tune(tmp_path, recipe=None, trials=2, resume=True, run_dir=str(search.path))


def test_a_taken_folder_is_refused_with_the_difference(tmp_path):
    search = small_tune(tmp_path, trials=1)
    with pytest.raises(RunError, match="train.epochs: 2 in the search, 3 now.*--resume"):
        small_tune(tmp_path, settings={"train.epochs": 3}, run_dir=str(search.path))
    with pytest.raises(ConfigError, match=r"search freeze.unfreeze: \[0, 5\] in the search, \[0, 7\] now"):
        small_tune(tmp_path, resume=True, trials=None, recipe=recipe_of(tmp_path / "other", {
            "freeze.unfreeze": [0, 7], "optimizer.learning_rate": {"min": 1e-3, "max": 1e-1, "sampling": "log"}}))


@pytest.mark.parametrize("asked, words", [
    ({"search": "annealing"}, "annealing"), ({"trials": 0}, "--trials"), ({"executions_per_trial": 0}, "executions"),
    ({"search": "hyperband", "trials": 5}, "brackets"), ({"worker": "127.0.0.1:1", "train_best": True}, "chief"),
    ({"settings": {"freeze.unfreeze": 0}, "assignments": ["optimizer.learning_rate=0.1"]}, "left to search")])
def test_what_can_not_be_asked_is_refused(tmp_path, asked, words):
    with pytest.raises(UsageError, match=words):
        small_tune(tmp_path, **asked)
    assert not (tmp_path / "runs").exists()


def test_a_hyperband_search_takes_no_number_of_trials_on_resume(tmp_path, monkeypatch):
    monkeypatch.setattr(Trials, "run", lambda *_: (_ for _ in ()).throw(RunError("stop here")))
    recipe = recipe_of(tmp_path, **{"freeze.head_epochs": 0})
    with pytest.raises(RunError, match="stop here"):
        small_tune(tmp_path, recipe=recipe, search="hyperband", trials=None)
    with pytest.raises(UsageError, match="brackets"):
        small_tune(tmp_path, recipe=None, trials=5, resume=True)


def test_a_field_that_a_flag_sets_is_not_searched(tmp_path):
    search = small_tune(tmp_path, settings={"freeze.unfreeze": 5}, trials=1)
    assert list(search.record()["space"]) == ["optimizer.learning_rate"]
    assert search.trial(1).manifest()["phases"][-1]["unfreeze"] == 5


def test_a_full_disk_stops_the_search_and_leaves_the_trial_open(tmp_path, monkeypatch):
    save, full = checkpoint.save, []

    def sometimes(*arguments):
        if len(full) < 1:
            full.append(True)
            raise RunError("The disk is full.")
        save(*arguments)

    monkeypatch.setattr(checkpoint, "save", sometimes)
    with pytest.raises(RunError, match="disk is full"):
        small_tune(tmp_path, trials=2)
    search = SearchRun(next((tmp_path / "runs").iterdir()))
    assert search.record()["trials"] == [] and search.record()["status"] == "interrupted"
    done = small_tune(tmp_path, recipe=None, trials=None, resume=True).record()
    assert [trial["status"] for trial in done["trials"]] == ["completed"] * 2


def test_running_out_of_memory_fails_the_trial_alone(tmp_path, monkeypatch):
    from tfpt.training import timed_calls

    run, calls = timed_calls.TimedCalls.run, []

    def sometimes(self, *arguments):
        calls.append(self)
        if len(calls) == 2:
            raise tf.errors.ResourceExhaustedError(None, None, "too large")
        return run(self, *arguments)

    monkeypatch.setattr(timed_calls.TimedCalls, "run", sometimes)
    trials = small_tune(tmp_path, trials=2).record()["trials"]
    assert [trial["status"] for trial in trials] == ["failed", "completed"]
    assert "Out of memory" in trials[0]["why"]


def test_a_trial_that_another_process_trains_is_waited_for(tmp_path, monkeypatch):
    """A worker outlived its chief; the next chief has given its trial to another."""
    search = SearchRun(tmp_path / "runs" / "tune-digits-0001")
    held, trained = threading.Event(), []
    run = Loop.run

    def hold():
        with lock_run(search.trial(1)):
            held.set()
            time.sleep(2)

    original = Trials.run

    def first_is_held(self, request):
        if request.number == 1 and not held.is_set():
            search.trial(1).path.mkdir(parents=True)
            threading.Thread(target=hold).start()
            held.wait()
            began = time.monotonic()
            result = original(self, request)
            trained.append(time.monotonic() - began)
            return result
        return original(self, request)

    monkeypatch.setattr(Trials, "run", first_is_held)
    monkeypatch.setattr(Loop, "run", run)
    assert small_tune(tmp_path, trials=1).record()["trials"][0]["status"] == "completed"
    assert trained[0] > 1.5


def test_a_trial_whose_own_checkpoint_is_damaged_begins_again(tmp_path, monkeypatch):
    train, stopped = Loop.run, []

    def stops(loop, until_epoch=None):
        if not stopped:
            stopped.append(True)
            train(loop, 1)
            raise RunError("stop here")
        return train(loop, until_epoch)

    monkeypatch.setattr(Loop, "run", stops)
    with pytest.raises(RunError, match="stop here"):
        small_tune(tmp_path, trials=1)
    search = SearchRun(next((tmp_path / "runs").iterdir()))
    for file in search.trial(1).checkpoints.rglob("state.npz"):
        os.truncate(file, 100)
    done = small_tune(tmp_path, recipe=None, trials=None, resume=True).record()["trials"]
    assert [(trial["status"], trial["epochs"]) for trial in done] == [("completed", 2)]


def test_no_checkpoint_is_left_behind(tmp_path):
    two = small_tune(tmp_path / "1", trials=1, executions_per_trial=2)
    short = small_tune(tmp_path / "2", search="hyperband", trials=None,
                       recipe=recipe_of(tmp_path / "2", **{"train.epochs": 3, "freeze.head_epochs": 0}))
    for search in (two, short):
        assert not list(search.path.glob("trials/*/checkpoints"))


def test_a_killed_search_without_settings_can_be_begun_anew_in_its_folder(tmp_path):
    folder = tmp_path / "search"
    folder.mkdir()
    (folder / "tuning.json").write_text(json.dumps({"trials": []}))
    assert small_tune(tmp_path, trials=1, run_dir=str(folder)).record()["best"]


def test_a_chief_that_can_not_listen_is_refused_before_anything_is_written(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(UsageError, match="can't listen"):
            small_tune(tmp_path, chief=f"127.0.0.1:{taken.getsockname()[1]}")
    assert not (tmp_path / "runs").exists()


def test_a_folder_with_other_things_in_it_is_refused(photos, tmp_path):
    with pytest.raises(RunError, match="other things in it"):
        small_tune(tmp_path, recipe=photos, trials=1, run_dir=str(tmp_path / "photos"))


def test_settings_that_were_changed_by_hand_are_refused_on_resume(tmp_path):
    search = small_tune(tmp_path, trials=1)
    search.settings_file.write_text(search.settings_file.read_text().replace("max: 0.1", "max: 0.2"))
    with pytest.raises(RunError, match="changed or damaged"):
        small_tune(tmp_path, recipe=None, trials=None, resume=True)


def test_a_trial_is_no_run_to_resume(tmp_path):
    search = small_tune(tmp_path, trials=1)
    with pytest.raises(RunError, match="is a trial of the search"):
        train("image_classification", run_dir=str(search.trial(1).path), resume=True, quiet=True)


@pytest.mark.parametrize("name, values", [("data.path", ["a", "b"]), ("data.validation", [0.1, 0.2])])
def test_what_decides_the_validation_images_is_not_searched(tmp_path, name, values):
    with pytest.raises(ConfigError, match="could not be compared"):
        small_tune(tmp_path, recipe=recipe_of(tmp_path, {name: values}))


def test_a_space_with_fewer_values_than_trials_says_so(tmp_path, capsys):
    small_tune(tmp_path, recipe=recipe_of(tmp_path, {"freeze.unfreeze": [0]}), trials=3, quiet=False)
    assert "no more values: 1 of 3 trials" in capsys.readouterr().err
