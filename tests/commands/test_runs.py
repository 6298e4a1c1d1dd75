import json

from click.testing import CliRunner

from tests.workflows.test_runs import make
from tfpt.commands.runs import command


def test_runs_are_an_aligned_table(tmp_path):
    make(tmp_path, 1, task="image_classification", status="finished", metrics={"test": {"accuracy": 0.9}})
    make(tmp_path, 2, task="image_classification", status="failed")
    header, first, second = CliRunner().invoke(command, ["--runs-root", str(tmp_path)]).stdout.splitlines()
    assert header.split() == ["run", "task", "status", "data", "schedule", "score", "when"]
    assert "0.900" in first and first.index("image_classification") == second.index("image_classification")
    assert "failed" in second and "–" in second


def test_runs_as_json(tmp_path):
    make(tmp_path, 1, task="image_classification", status="failed")
    found = json.loads(CliRunner().invoke(command, ["--json", "--runs-root", str(tmp_path)]).stdout)
    assert [row["status"] for row in found["runs"]] == ["failed"]


def test_no_runs_is_said_on_stderr(tmp_path):
    result = CliRunner().invoke(command, ["--runs-root", str(tmp_path)])
    assert result.exit_code == 0 and result.stdout == "" and "No runs" in result.stderr
