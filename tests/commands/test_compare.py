"""The command as users have it: a process of its own, which needs no TensorFlow."""

import json

import pytest

from tests.test_cli import LOADED, run
from tests.workflows.told_runs import write_told_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    write_told_run(folder / "runs" / "a-0001", [True] * 9 + [False])
    write_told_run(folder / "runs" / "b-0002", [True] * 2 + [False] * 8)
    write_told_run(folder / "runs" / "c-0003", [True] * 10, status="failed")
    return folder


def test_text_and_json(folder):
    done = run("compare", "a-0001", "b-0002", cwd=folder, code=LOADED)
    assert done.returncode == 0 and "b-0002 is worse than a-0001 (p = 0.0156)" in done.stdout, done.stderr
    assert "tensorflow" not in done.stderr and "matplotlib" not in done.stderr
    found = json.loads(run("compare", "a-0001", "b-0002", "--json", cwd=folder).stdout)
    assert found["tests"][0]["only_first"] == 7


@pytest.mark.parametrize("names, words", [
    (["a-0001"], "two runs or more"), (["a-0001", "runs/a-0001"], "named twice"),
    (["a-0001", "c-0003"], "not finished"), (["a-0001", "."], "holds no run.json"), ([], "Missing argument")])
def test_bad_input_is_one_paragraph_and_code_2(folder, names, words):
    done = run("compare", *names, cwd=folder)
    assert done.returncode == 2 and done.stdout == ""
    assert words in done.stderr and done.stderr.count("\n") == 1
