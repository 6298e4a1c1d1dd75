import json

import pytest
from click.testing import CliRunner

from tests.commands.test_export_summary import CHECK, EXPORT
from tfpt.commands import export, serve_check
from tfpt.errors import UsageError
from tfpt.run_directory import Run
from tfpt.workflows import export as export_workflow
from tfpt.workflows import serve_check as check_workflow


@pytest.fixture
def calls(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(export_workflow, "export_run", lambda run, **more: seen.append((run, more)) or EXPORT)
    monkeypatch.setattr(check_workflow, "serve_check", lambda folder, **more: seen.append((folder, more)) or CHECK)
    Run(tmp_path).update_manifest(status="finished")
    return seen


def test_every_option_of_export_is_passed_on(calls, tmp_path):
    options = ["--version", "7", "--to", "there", "--data", "new/", "--data-dir", "sets",
               "--format", "litert", "--quantize", "int8"]
    result = CliRunner().invoke(export.command, [str(tmp_path), *options])
    assert calls == [(Run(tmp_path), {"version": 7, "to": "there", "data": "new/", "data_dir": "sets",
                                      "model_format": "litert", "quantize": "int8"})]
    assert result.exit_code == 0 and result.stdout.startswith("wrote     ")


def test_every_option_of_serve_check_is_passed_on(calls, tmp_path):
    result = CliRunner().invoke(serve_check.command, ["copied/1", "--run", str(tmp_path), "--data", "new/", "--trust"])
    assert calls == [("copied/1", {"run": Run(tmp_path), "data": "new/", "trust": True})]
    assert result.exit_code == 0 and result.stdout.startswith("export    ")


@pytest.mark.parametrize(("command", "report"), [(export.command, EXPORT), (serve_check.command, CHECK)])
def test_json_is_one_object(calls, tmp_path, command, report):
    result = CliRunner().invoke(command, [str(tmp_path), "--json"])
    assert json.loads(result.stdout) == report and result.stdout.count("\n") == 1


@pytest.mark.parametrize("options", [["--version", "0"], ["--version", "x"], ["--version", str(2 ** 63)],
                                     ["--format", "pickle"], ["--quantize", "int4"]])
def test_values_that_are_none(calls, tmp_path, options):
    assert CliRunner().invoke(export.command, [str(tmp_path), *options]).exit_code == 2 and not calls


@pytest.mark.parametrize("option", ["--to", "--data", "--data-dir"])
def test_empty_values_are_refused(calls, tmp_path, option):
    with pytest.raises(UsageError, match=f"{option} is empty"):
        CliRunner().invoke(export.command, [str(tmp_path), option, ""], catch_exceptions=False)


def test_an_empty_run_is_refused(calls):
    with pytest.raises(UsageError, match="RUN is empty"):
        CliRunner().invoke(export.command, [""], catch_exceptions=False)


def test_an_empty_directory_is_refused(calls):
    with pytest.raises(UsageError, match="DIR is empty"):
        CliRunner().invoke(serve_check.command, [""], catch_exceptions=False)
