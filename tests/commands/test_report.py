"""The command as users have it: a process of its own, which needs TensorFlow only for what has to be opened again."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.pages import Page
from tests.test_cli import LOADED, run
from tests.workflows.told_runs import write_told_run
from tfpt.evaluation.pictures import OF_A_TEST, OF_A_TRAINING


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reported")
    told = write_told_run(folder / "runs" / "a-0001", [True] * 9 + [False])
    for name in (*OF_A_TEST, *OF_A_TRAINING):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(told.evaluation / f"{name}.png")
    write_told_run(folder / "runs" / "b-0002", [True] * 2 + [False] * 8)
    write_told_run(folder / "runs" / "c-0003", [True] * 10, status="running")
    return folder


def test_a_run_with_its_pictures_takes_no_tensorflow(folder):
    done = run("report", "a-0001", cwd=folder, code=LOADED)
    assert done.returncode == 0 and done.stdout.startswith("wrote runs/a-0001/report.html · "), done.stderr
    assert "tensorflow" not in done.stderr and "matplotlib" not in done.stderr
    assert Page((folder / "runs" / "a-0001" / "report.html").read_text()).all("h1") == ["a-0001"]


def test_two_runs_of_which_one_has_lost_its_data(folder):
    done = run("report", "a-0001", "b-0002", "--to", "both.html", "--json", cwd=folder)
    assert done.returncode == 0 and (folder / "both.html").exists(), done.stderr
    found = json.loads(done.stdout)
    assert found["where"] == "both.html" and len(found["notes"]) == 1
    assert done.stderr.startswith("tfpt: b-0002: the worst predictions can't be shown") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments, words", [
    (["c-0003"], "not finished"), (["."], "holds no run.json"), (["a-0001", "--to", ""], "--to is empty"),
    (["a-0001", "--to", "runs/a-0001/run.json"], "doesn't end in .html"), ([], "Missing argument")])
def test_bad_input_is_one_paragraph_and_code_2(folder, arguments, words):
    done = run("report", *arguments, cwd=folder)
    assert done.returncode == 2 and done.stdout == ""
    assert words in done.stderr and done.stderr.count("\n") == 1
