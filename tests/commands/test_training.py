"""The training commands: what they hand to the workflow, and what they print of its run."""

import json

import pytest
from click.testing import CliRunner

from tfpt.commands import finetune_image, pretrain_image
from tfpt.errors import ConfigError
from tfpt.run_directory import Run
from tfpt.workflows import train as workflow


@pytest.fixture
def calls(monkeypatch, tmp_path):
    run, seen = Run(tmp_path), []
    run.update_manifest(run="r", metrics={"test": {"accuracy": 0.5}}, wall_seconds={"total": 3.0})

    def train(task_name, **options):
        seen.append((task_name, options))
        return None if options["dry_run"] else run

    monkeypatch.setattr(workflow, "train", train)
    return seen


def invoke(command, *arguments):
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_flags_recipe_and_assignments_are_passed_on_and_the_summary_is_printed(calls):
    text = invoke(finetune_image.command, "--unfreeze", "all", "--config", "image_classification/demo",
                  "--set", "train.seed=1", "--set", "train.seed=2",
                  "--run-dir", "d", "--resume")
    (task, options), = calls
    assert task == "image_classification" and options["settings"]["freeze.unfreeze"] == "all"
    assert options["settings"]["train.epochs"] is None
    assert options["recipe"] == "image_classification/demo"
    assert tuple(options["assignments"]) == ("train.seed=1", "train.seed=2")
    assert options["run_dir"] == "d" and options["resume"]
    assert [line.split()[0] for line in text.splitlines()] == ["test", "time", "run"]


def test_json_prints_the_manifest_as_one_line(calls):
    last = invoke(finetune_image.command, "--json").splitlines()[-1]
    assert json.loads(last)["metrics"] == {"test": {"accuracy": 0.5}}


def test_a_dry_run_prints_nothing_on_stdout(calls):
    assert invoke(finetune_image.command, "--dry-run") == "" and calls[0][1]["dry_run"]


def test_pretraining_starts_from_nothing(calls):
    invoke(pretrain_image.command, "--epochs", "2")
    settings = calls[0][1]["settings"]
    assert settings["model.weights"] == "none" and settings["freeze.unfreeze"] == "scratch"
    assert settings["train.epochs"] == 2


def test_a_slip_in_the_config_is_told_before_the_workflow_is_called(calls):
    with pytest.raises(ConfigError, match="Did you mean train.epochs"):
        invoke(finetune_image.command, "--set", "train.epoch=2")
    assert calls == []
