"""``tfpt tune``: what it refuses, what it hands to the workflow, what it prints of the search."""

import json
import sys
import types

import pytest
from click.testing import CliRunner

from tests.tuning.results import completed, failed
from tfpt.cli import main
from tfpt.commands.tune import command
from tfpt.errors import ConfigError, UsageError
from tfpt.run_directory import Run
from tfpt.tuning.record import search_record


class SearchRun:
    def __init__(self, path, results, best_run=None):
        self.path = path
        self._record = search_record(
            tune=str(path), task="image_classification", status="finished", search="random", objective="accuracy",
            direction="max", space={}, results=results, best_run=best_run, shared={}, wall_seconds=3.0, seed=0)

    def record(self):
        return self._record


@pytest.fixture
def calls(monkeypatch, tmp_path):
    seen = []

    def tune(task_name, **options):
        seen.append((task_name, options))
        trained = str(tmp_path / "best-run") if options["train_best"] else None
        return None if options["dry_run"] else SearchRun(tmp_path, [failed(1), completed(2, 0.9)], trained)

    monkeypatch.setitem(sys.modules, "tfpt.workflows.tune", types.SimpleNamespace(tune=tune))
    return seen


def invoke(*arguments):
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result


def test_what_is_not_given_is_left_to_the_workflow_and_the_summary_is_printed(calls, tmp_path):
    text = invoke().stdout
    (task, options), = calls
    assert task == "image_classification" and set(options.pop("settings").values()) == {None}
    assert options == {
        "recipe": None, "assignments": (), "search": None, "trials": None, "executions_per_trial": None,
        "objective": None, "run_dir": None, "runs_root": "runs", "tensorboard_root": "tensorboard_logs",
        "resume": False, "train_best": False, "chief": None, "worker": None, "dry_run": False}
    assert [line.split()[0] for line in text.splitlines()] == ["best", "time", "files", "next"]
    assert f"trial 2 · val acc 0.900 · {tmp_path}/best.yaml" in text


def test_options_are_passed_on(calls):
    invoke("image_classification", "--data", "photos", "--seed", "3", "--config", "image_classification/tiny",
           "--set", "train.seed=1", "--set", "train.seed=2", "--search", "grid", "--trials", "5",
           "--executions-per-trial", "2", "--objective", "loss", "--run-dir", "d", "--resume",
           "--chief", "127.0.0.1:8000")
    (_, options), = calls
    assert options["settings"]["data.path"] == "photos" and options["settings"]["train.seed"] == 3
    assert options["recipe"] == "image_classification/tiny" and options["run_dir"] == "d" and options["resume"]
    assert options["assignments"] == ("train.seed=1", "train.seed=2") and options["chief"] == "127.0.0.1:8000"
    assert options["search"] == "grid" and options["trials"] == 5 and options["executions_per_trial"] == 2
    assert options["objective"] == "loss"


def test_json_prints_the_record_as_one_line(calls):
    line, = invoke("--json").stdout.splitlines()
    assert json.loads(line)["best"]["number"] == 2


def test_the_run_on_the_best_values_follows(calls, tmp_path):
    (tmp_path / "best-run").mkdir()
    Run(tmp_path / "best-run").update_manifest(metrics={"test": {"accuracy": 0.5}}, wall_seconds={"total": 3.0})
    lines = invoke("--train-best").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["best", "time", "files", "test", "time", "run"]


def test_a_dry_run_prints_nothing_of_its_own(calls):
    assert invoke("--dry-run").stdout == "" and calls[0][1]["dry_run"]


@pytest.mark.parametrize(("arguments", "words"), [
    (["photos"], ["'photos'", "image_classification", "--data"]),
    (["--chief", "127.0.0.1:80", "--worker", "127.0.0.1:80"], ["--chief and --worker", "two processes"]),
    (["--run-dir", ""], ["--run-dir is empty"]),
    *((["--worker", address], ["--worker takes HOST:PORT", repr(address)]) for address in (
        "localhost", "localhost:", ":80", "localhost:0", "localhost:65536", "localhost:-1", "localhost:٣", "a b:80",
        "::1:80", "localhost:123456789", "\x1b[31mhost:80", "http://localhost:80"))])
def test_what_can_not_work_is_told_in_a_paragraph_before_the_search(calls, arguments, words):
    with pytest.raises(UsageError) as caught:
        invoke(*arguments)
    assert all(word in str(caught.value) for word in words) and calls == []
    assert main(["tune", *arguments]) == 2


@pytest.mark.parametrize("arguments", [["--trials", "0"], ["--trials", "-1"], ["--executions-per-trial", "0"],
                                       ["--search", "annealing"], ["--trials", "many"]])
def test_a_count_that_is_no_count_is_bad_usage(calls, capsys, arguments):
    assert main(["tune", *arguments]) == 2 and calls == []
    assert arguments[0] in capsys.readouterr().err


def test_a_slip_in_the_config_is_told_before_the_workflow_is_called(calls):
    with pytest.raises(ConfigError, match="Did you mean train.epochs"):
        invoke("--set", "train.epoch=2")
    assert calls == []


@pytest.mark.parametrize(("address", "warns"), [
    ("127.0.0.1:8000", False), ("localhost:8000", False), ("[::1]:8000", False), ("127.0.0.9:1", False),
    ("0.0.0.0:8000", True), ("chief.example:65535", True), ("[2001:db8::1]:80", True)])
def test_an_address_beyond_this_machine_is_warned_of(calls, address, warns):
    for flag in ("--chief", "--worker"):
        result = invoke(flag, address)
        assert ("has no authentication" in result.stderr) == warns and "authentication" not in result.stdout
