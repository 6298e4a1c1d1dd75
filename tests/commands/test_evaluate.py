import json

import pytest
from click.testing import CliRunner

from tests.commands.test_evaluation_tables import report
from tfpt.commands import evaluate
from tfpt.run_directory import Run
from tfpt.workflows import evaluate as workflow


@pytest.fixture
def calls(monkeypatch, tmp_path):
    seen = []
    left_out = [{"path": f"{number}.jpg", "why": "is empty"} for number in range(5)]
    monkeypatch.setattr(workflow, "evaluate",
                        lambda run, *, data=None, data_dir=None, flip=False: seen.append((run, data, flip)) or {
                            **report(2), "left_out": left_out})
    Run(tmp_path).update_manifest(status="finished")
    return seen


def test_evaluate_prints_tables_and_names_what_was_left_out(calls, tmp_path):
    result = CliRunner().invoke(evaluate.command, [str(tmp_path), "--data", "new/"])
    assert calls == [(Run(tmp_path), "new/", False)] and result.exit_code == 0
    assert "macro average" in result.stdout and "left out" not in result.stdout
    assert result.stderr == ("tfpt: 5 left out: 0.jpg (is empty), 1.jpg (is empty), "
                             "2.jpg (is empty) …\n")


def test_evaluate_prints_one_json_object(calls, tmp_path):
    result = CliRunner().invoke(evaluate.command, [str(tmp_path), "--json"])
    assert json.loads(result.stdout)["accuracy"] == 0.75


def test_evaluate_averages_over_mirror_images_if_asked(calls, tmp_path):
    assert CliRunner().invoke(evaluate.command, [str(tmp_path), "--flip"]).exit_code == 0
    assert calls == [(Run(tmp_path), None, True)]
