"""The tuning workflow: every trial is an ordinary training, failures are results, a search goes on where it stopped."""

import json
from dataclasses import replace

import pytest
import yaml

from tfpt import registry
from tfpt.errors import ConfigError, RunError, TrainingFailed, UsageError
from tfpt.training.loop import Loop
from tfpt.workflows.train import train
from tfpt.workflows.tune import tune

NAME = "image_classification"
RECIPE = f"{NAME}/tiny"
SMALL = {"train.epochs": 2, "freeze.head_epochs": 1, "augment.rotation": 0.0, "augment.zoom": 0.0,
         "augment.contrast": 0.0, "cache.dtype": "float32"}  # random weights give numbers too small for float16
MOST_ROWS = 2 * 120 + 90
"""Two views of every training image, and validation."""

SPACE = {"optimizer.learning_rate": {"min": 1e-3, "max": 1e-1, "sampling": "log"}, "freeze.unfreeze": [0, 5]}


def recipe_of(folder, space=SPACE, **settings):
    """tiny, with a search section."""
    from tfpt.config.recipes import find_recipe

    values = yaml.safe_load(find_recipe(RECIPE).read_text(encoding="utf-8"))
    for name, value in {**SMALL, **settings}.items():
        section, _, field = name.partition(".")
        values.setdefault(section, {})[field] = value
    file = folder / "search.yaml"
    folder.mkdir(exist_ok=True, parents=True)
    file.write_text(yaml.safe_dump({**values, **({} if space is None else {"search": space})}))
    return str(file)


def small_tune(folder, **arguments):
    if "recipe" not in arguments:
        arguments["recipe"] = recipe_of(folder)
    return tune(NAME, **{"trials": 3, "runs_root": str(folder / "runs"),
                         "tensorboard_root": str(folder / "tensorboard"), "quiet": True, **arguments})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    return folder, small_tune(folder)


def test_a_finished_search_says_what_it_tried_and_what_was_best(finished):
    _, search = finished
    record = search.record()
    assert record["status"] == "finished" and record["search"] == "random" and record["seed"] == 0
    assert [trial["status"] for trial in record["trials"]] == ["completed"] * 3
    for trial in record["trials"]:
        assert 1e-3 <= trial["values"]["optimizer.learning_rate"] <= 1e-1
        assert trial["values"]["freeze.unfreeze"] in (0, 5) and trial["epochs"] == 2
        lines = [json.loads(line) for line in (search.trial(trial["number"]).metrics_file).read_text().splitlines()]
        assert trial["score"] == max(line["validation_accuracy"] for line in lines)
    assert record["best"]["score"] == max(trial["score"] for trial in record["trials"])
    for name in ("scores.png", "best_so_far.png"):
        assert (search.path / name).read_bytes()[:4] == b"\x89PNG"


def test_trials_share_rows_and_traces(finished):
    shared = finished[1].record()["shared"]
    depths = {trial["values"]["freeze.unfreeze"] for trial in finished[1].record()["trials"]}
    assert shared["programs"] == 1 + len(depths - {0}) and shared["cuts"]  # all begin with the head alone
    assert shared["computed_rows"] <= MOST_ROWS


def test_the_best_config_trained_by_itself_gives_the_trials_numbers(finished, tmp_path):
    folder, search = finished
    run = train(NAME, recipe=str(search.best_config_file), runs_root=str(tmp_path / "runs"),
                tensorboard_root=str(tmp_path / "tensorboard"), quiet=True)
    best = search.record()["best"]
    alone = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    trial = [json.loads(line) for line in search.trial(best["number"]).metrics_file.read_text().splitlines()]
    for mine, theirs in zip(alone, trial, strict=True):
        assert mine == pytest.approx(theirs, rel=2e-3)
    assert max(line["validation_accuracy"] for line in alone) == best["score"]


def test_a_trial_is_a_run_of_its_own_without_a_model(finished):
    run = finished[1].trial(1)
    manifest = run.manifest()
    assert manifest["status"] == "finished" and manifest["task"] == NAME and manifest["phases"]
    assert run.config_file.exists() and not run.model_file.exists() and not run.checkpoints.exists()


def test_a_search_that_is_finished_is_resumed_without_training_again(finished, monkeypatch):
    folder, search = finished
    monkeypatch.setattr(Loop, "run", lambda *_: pytest.fail("trained again"))
    again = small_tune(folder, resume=True, run_dir=str(search.path), recipe=None, trials=None)
    assert again.record()["trials"] == search.record()["trials"]


def test_more_trials_may_be_asked_for_on_resume_and_nothing_else(tmp_path):
    search = small_tune(tmp_path, trials=1)
    first = search.record()["trials"]
    for wrong in ({"search": "grid"}, {"objective": "loss"}, {"executions_per_trial": 2},
                  {"settings": {"train.epochs": 3}}, {"recipe": recipe_of(tmp_path / "other", {
                      "freeze.unfreeze": [0, 7]})}):
        with pytest.raises(ConfigError, match="another search"):
            small_tune(tmp_path, **{"resume": True, "recipe": None, "trials": None, **wrong})
    with pytest.raises(UsageError, match="search in"):
        small_tune(tmp_path, run_dir=str(search.path))
    more = small_tune(tmp_path, resume=True, recipe=None, trials=2).record()["trials"]
    assert more[:1] == first and len(more) == 2


def test_trials_that_diverge_or_crash_are_recorded_and_the_search_goes_on(tmp_path, monkeypatch):
    run, calls = Loop.run, []

    def sometimes(loop, until_epoch=None):
        calls.append(loop)
        if len(calls) == 1:
            raise TrainingFailed("The loss is nan.")
        if len(calls) == 2:
            raise ZeroDivisionError("in the middle of something")
        return run(loop, until_epoch)

    monkeypatch.setattr(Loop, "run", sometimes)
    search = small_tune(tmp_path)
    trials = search.record()["trials"]
    assert [trial["status"] for trial in trials] == ["failed", "failed", "completed"]
    assert trials[0]["why"] == "The loss is nan." and "ZeroDivisionError: in the middle" in trials[1]["why"]
    assert "Traceback" in (search.trial(2).path / "crash.txt").read_text()
    assert search.record()["best"]["number"] == 3
    assert search.trial(1).manifest()["status"] == "failed"


def test_a_rate_that_makes_the_loss_infinite_fails_its_trial_alone(tmp_path):
    space = {"optimizer.learning_rate": [1e30, 1e-2]}
    search = small_tune(tmp_path, recipe=recipe_of(tmp_path, space, **{"optimizer.clip_norm": None}), search="grid",
                        trials=None)
    assert [trial["status"] for trial in search.record()["trials"]] == ["failed", "completed"]
    assert "diverged" in search.record()["trials"][0]["why"]


def test_a_search_without_any_completed_trial_fails_and_leaves_its_record(tmp_path, monkeypatch):
    def fails(*_):
        raise TrainingFailed("The loss is nan.")

    monkeypatch.setattr(Loop, "run", fails)
    with pytest.raises(TrainingFailed, match="None of the 2 trials") as caught:
        small_tune(tmp_path, trials=2)
    assert caught.value.exit_code == 3
    record = json.loads(next(tmp_path.glob("runs/*/tuning.json")).read_text())
    assert record["best"] is None and len(record["trials"]) == 2


def test_executions_have_other_seeds_on_the_same_data_and_the_mean_is_the_score(tmp_path):
    search = small_tune(tmp_path, recipe=recipe_of(tmp_path, **{"model.weights": "bundled"}), trials=1,
                        executions_per_trial=2)
    configs = [yaml.safe_load(search.trial(1, number).config_file.read_text()) for number in (0, 1)]
    assert [config["train"]["seed"] for config in configs] == [0, 1]
    assert [config["data"]["seed"] for config in configs] == [0, 0]
    bests = [max(json.loads(line)["validation_accuracy"] for line in search.trial(1, number).metrics_file.open())
             for number in (0, 1)]
    assert search.record()["trials"][0]["score"] == pytest.approx(sum(bests) / 2)
    assert search.record()["shared"]["computed_rows"] <= MOST_ROWS


def test_hyperband_goes_on_from_the_checkpoint_of_the_earlier_round(tmp_path):
    search = small_tune(tmp_path, recipe=recipe_of(tmp_path, **{"train.epochs": 3, "freeze.head_epochs": 0}),
                        search="hyperband", trials=None)
    trials = {trial["number"]: trial for trial in search.record()["trials"]}
    longer = [number for number, trial in trials.items()
              if trial["epochs"] == 3 and any(other["epochs"] == 1 and other["values"] == trial["values"]
                                              for other in trials.values())]
    assert longer
    for number in longer:
        earlier = next(other for other, trial in trials.items()
                       if trial["epochs"] == 1 and trial["values"] == trials[number]["values"])
        lines, first = (search.trial(each).metrics_file.read_text().splitlines() for each in (number, earlier))
        assert lines[:1] == first and len(lines) == 3


def test_rungs_that_are_too_short_for_a_phase_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="begins in epoch 3"):
        small_tune(tmp_path, recipe=recipe_of(tmp_path, **{"train.epochs": 9, "freeze.head_epochs": 2}),
                   search="hyperband", trials=None)


@pytest.mark.parametrize("space, words", [
    ({"optimizer.rate": [1.0]}, "optimizer"),
    ({"optimizer.learning_rate": {"min": 0.1, "max": 0.01}}, "min"),
    ({"model.head.l2": {"min": 0.0, "max": 0.01, "sampling": "log"}}, "log"),
    ({"freeze.unfreeze": [0, 5000]}, "0 to 153"),
    ({"freeze.unfreeze": [0, "block_99"]}, "block_99"),
    ({"data.image_size": [32, 16]}, "32"),
    ({"model.backbone": ["MobileNetV2", "MobileNetV9"]}, "MobileNetV9"),
    ({}, "search"),
])
def test_a_space_that_will_not_do_is_refused_before_the_first_trial(tmp_path, space, words):
    with pytest.raises(UsageError, match=words) as caught:
        small_tune(tmp_path, recipe=recipe_of(tmp_path, space))
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_an_objective_that_the_task_does_not_measure_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="accuracy, loss"):
        small_tune(tmp_path, objective="f1")


def test_there_is_nothing_to_resume_in_an_empty_folder(tmp_path):
    with pytest.raises(RunError, match="Expected a search"):
        small_tune(tmp_path, resume=True, recipe=None, trials=None)


def test_a_dry_run_shows_the_space_and_writes_nothing(tmp_path, capsys):
    assert small_tune(tmp_path, dry_run=True, quiet=False) is None
    shown = capsys.readouterr()
    assert "freeze.unfreeze 0, 5" in shown.out + shown.err and "3 trials" in shown.out + shown.err
    assert not (tmp_path / "runs").exists()


def test_the_task_brings_a_space_of_its_own(tmp_path, capsys):
    small_tune(tmp_path, recipe=recipe_of(tmp_path, None), dry_run=True, quiet=False)
    shown = capsys.readouterr()
    assert "optimizer.learning_rate" in shown.out + shown.err


def test_train_best_trains_the_winner(tmp_path):
    search = small_tune(tmp_path, trials=1, train_best=True)
    run = search.record()["best"]["run"]
    assert json.loads((tmp_path / "runs" / run.rpartition("/")[2] / "run.json").read_text())["status"] == "finished"


def test_a_task_without_the_prefix_cache_can_be_tuned(tmp_path, monkeypatch):
    task = registry.get_task(NAME)
    monkeypatch.setattr("tfpt.workflows.tune.get_task", lambda name: replace(task, reusable=None))
    assert small_tune(tmp_path, trials=2).record()["best"]
