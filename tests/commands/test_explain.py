"""The command as users have it: a process of its own."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.test_cli import run
from tests.workflows.finished_runs import write_pictures, write_run
from tfpt.commands import explain
from tfpt.run_directory import Run
from tfpt.workflows import explain as workflow

DARK = "pictures/dark/0.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    write_pictures(folder / "pictures")
    write_run(folder / "runs" / "a-0001", folder / "pictures")
    (folder / "text.png").write_text("no picture")
    return folder


def test_every_option_in_one_process(folder):
    done = run("explain", "a-0001", DARK, "text.png", "--method", "both", "--class", "light", "--steps", "30",
               "--baseline", "white", "--out", "out/deep", "--json", cwd=folder)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    answer, broken = map(json.loads, done.stdout.splitlines())
    assert broken == {"input": "text.png", "error": broken["error"]}
    assert (answer["input"], answer["label"], answer["class"]) == (DARK, "dark", "light")
    how = answer["integrated_gradients"]
    assert (how["steps"], how["baseline"]) == (30, "white") and how["baseline_score"] > 0.9
    assert how["sum"] == pytest.approx(answer["class_score"] - how["baseline_score"], abs=0.05)
    assert "tfpt: a plain white image is itself taken for light (1.00)" in done.stderr
    assert answer["picture"] == "out/deep/0_explained_as_light.png"
    with Image.open(folder / answer["picture"]) as picture:
        assert picture.width > 2 * picture.height > 400 and np.asarray(picture).std() > 20


def test_lines_for_people_and_the_run_s_own_folder(folder):
    done = run("explain", "runs/a-0001", DARK, "text.png", "pictures/light/1.png", cwd=folder)
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{DARK}  dark 1.000  ") and first.endswith("→ runs/a-0001/explanations/0_explained.png")
    assert second.startswith("pictures/light/1.png  light ")
    assert done.returncode == 2 and done.stderr.startswith("tfpt: text.png: not an image"), done.stderr
    assert done.stderr.count("\n") == 1
    written = (folder / "runs" / "a-0001" / "explanations").iterdir()
    assert {file.name for file in written} == {"0_explained.png", "1_explained.png"}


@pytest.mark.parametrize("arguments, words", [
    (["a-0002", DARK], "Did you mean a-0001?"), (["a-0001"], "Missing argument"),
    (["a-0001", DARK, "--steps", "0"], "--steps"), (["a-0001", DARK, "--steps", "20000"], "--steps"),
    (["a-0001", DARK, "--method", "lime"], "--method"), (["a-0001", DARK, "--baseline", "pink"], "--baseline"),
    (["a-0001", DARK, "--class", ""], "--class is empty"), (["a-0001", DARK, "--out", ""], "--out is empty"),
    (["a-0001", DARK, "--class", "Light"], "Did you mean light?"),
    (["a-0001", DARK, "--out", "text.png"], "that is no folder")])
def test_bad_input_is_one_paragraph_and_code_2(folder, arguments, words):
    done = run("explain", *arguments, cwd=folder)
    assert done.returncode == 2 and done.stdout == ""
    assert words in done.stderr and done.stderr.startswith("tfpt: ") and done.stderr.count("\n") == 1, done.stderr


def answer(baseline_score, total):
    return {"input": "a", "label": "cat", "score": 0.9, "class": "dog", "class_score": 0.1, "picture": "p.png",
            "integrated_gradients": {"steps": 5, "baseline": "grey", "baseline_score": baseline_score, "sum": total}}


@pytest.mark.parametrize("answers, notices", [
    ([answer(0.02, 0.08)], []), ([answer(0.02, 0.08), answer(0.02, 0.3)], ["1 of 2 images", "by 0.22 at most"]),
    ([answer(0.7, -0.6), answer(0.7, -0.6)], ["a plain grey image is itself taken for dog (0.70)"])])
def test_what_is_odd_is_said_once_at_the_end(monkeypatch, tmp_path, answers, notices):
    Run(tmp_path).update_manifest(status="finished")
    monkeypatch.setattr(workflow, "explain", lambda run, inputs, **options: iter(answers))
    result = CliRunner().invoke(explain.command, [str(tmp_path), "a"])
    assert result.exit_code == 0 and result.stdout == "a  cat 0.900  as dog 0.100  → p.png\n" * len(answers)
    assert all(notice in result.stderr for notice in notices) and result.stderr.count("\n") == bool(notices)
