import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.pages import Page
from tests.workflows.told_runs import PHASES, write_told_run
from tfpt.errors import RunError, UsageError
from tfpt.evaluation.pictures import OF_A_TEST, OF_A_TRAINING
from tfpt.workflows.evaluate import evaluate
from tfpt.workflows.report import report

HOSTILE = "<script>alert('x')</script>"
RIGHT = [True] * 17 + [False] * 3


@pytest.fixture
def told(tmp_path):
    """A run made of its files alone, with all of its pictures."""
    run = write_told_run(tmp_path / "told-0001", RIGHT)
    for name in (*OF_A_TEST, *OF_A_TRAINING):
        Image.fromarray(np.full((8, 9, 3), 90, np.uint8)).save(run.evaluation / f"{name}.png")
    return run


def read(found):
    with open(found["where"], encoding="utf-8") as file:
        return Page(file.read())


def test_a_page_of_a_run_holds_all_there_is(told):
    found = report(told)
    assert found["where"] == str(told.path / "report.html") and found["notes"] == []
    assert found["bytes"] == os.path.getsize(found["where"]) and json.loads(json.dumps(found)) == found
    page = read(found)
    assert page.all("h1") == page.all("title") == ["told-0001"]
    assert page.all("h2") == ["Overview", "Scores", "Plan", "Classes", "Learning curves", "Test", "Worst predictions",
                              "Config", "Surroundings"]
    assert len(page.images) == 6 and all(image["alt"] for image in page.images)
    assert "0.850" in page.all("td") and "0.640–0.948" in page.all("td")  # accuracy, and Wilson's interval of it
    assert "2026-01-02 03:04 UTC" in page.all("dd") and "31 s: data 4, prefix 13, trace 3, train 6, evaluate 5" in (
        page.all("dd"))
    assert "+ last 10 of 153 layers" in page.all("td") and "epoch 3 of 3" in page.all("dd")
    assert any("unfreeze:" in text for text in page.all("pre")) and "f" * 64 in page.all("dd")


def test_names_become_no_markup(tmp_path):
    run = write_told_run(tmp_path / "run-0001", RIGHT, class_names=["cat", HOSTILE],
                         recoveries=[{"epoch": 2, "what": HOSTILE, "learning_rate": 0.0005}],
                         settings={"data": {"path": HOSTILE, "image_size": 32}},
                         data={"path": HOSTILE, "summary": HOSTILE, "train": 1, "validation": 1, "test": 20,
                               "left_out": [{"path": f"{HOSTILE}.jpg", "why": HOSTILE}]},
                         versions={HOSTILE: HOSTILE}, began=HOSTILE)
    page = read(report([run]))
    assert "script" not in page.tags
    assert f"epoch 2: {HOSTILE}, then learning rate 0.0005" in page.all("dd")
    assert HOSTILE in page.all("th") and HOSTILE in page.all("dd") and f"{HOSTILE}.jpg: {HOSTILE}" in page.all("li")


def test_several_runs_stand_side_by_side_with_their_comparison(told, tmp_path):
    other = write_told_run(tmp_path / "told-0002", [False] * 20, settings={"freeze": {"unfreeze": 0}})
    found = report([told, other], to=tmp_path / "both.html")
    page = read(found)
    assert page.all("h2")[0] == "Compared" and "Scores" not in page.all("h2")
    assert page.all("h3")[:2] == ["told-0001", "told-0002"] and page.all("h1") == ["told-0001 · told-0002"]
    assert any("told-0002 is worse than told-0001" in text for text in page.all("strong"))
    assert "freeze.unfreeze" in page.all("th") and found["where"] == str(tmp_path / "both.html")
    assert not (told.path / "report.html").exists()


def test_a_run_whose_data_are_gone_has_all_but_its_worst_images(tmp_path):
    run = write_told_run(tmp_path / "told-0001", RIGHT)
    found = report([run])
    note, = found["notes"]
    assert note.startswith("told-0001: the worst predictions can't be shown: no folder nowhere/ in /.")
    page = read(found)
    assert note.removeprefix("told-0001: ") in page.all("p") and len(page.images) == 5
    assert "cat/0.jpg" in " ".join(page.all("th")) and "their names" in page.all("summary")
    assert {file.name for file in run.evaluation.glob("*.png")} == {
        f"{name}.png" for name in (*OF_A_TEST, *OF_A_TRAINING) if name != "worst"}


def test_what_a_run_lacks_is_drawn_from_its_data(run, finished):
    evaluate(run)
    before = (run.evaluation / "roc.png").read_bytes()
    for file in run.evaluation.glob("*.png"):
        file.unlink()
    found = report([run])
    assert found["notes"] == ["pictures-0001: there are no learning curves: metrics.jsonl is missing"]
    assert len(read(found).images) == 5 and (run.evaluation / "roc.png").read_bytes() == before


def test_a_run_that_was_never_evaluated_is_evaluated(run):
    assert len(read(report([run])).images) == 5
    assert (run.evaluation / "test.json").exists()


def test_a_run_that_was_never_evaluated_and_has_no_model_says_so(run):
    run.model_file.unlink()
    run.update_manifest(metrics={"test": {"accuracy": 0.75, "weakest_class": {"name": "dark", "f1": 0.5}}})
    found = report([run])
    assert "wasn't" not in found["notes"][0] and "the run's test isn't shown" in found["notes"][0]
    assert "has no model.keras" in found["notes"][0]
    page = read(found)
    assert page.images == [] and "0.750" in page.all("td")


def test_metrics_that_are_missing_are_told(told):
    told.metrics_file.unlink()
    (told.evaluation / "learning_curves.png").unlink()
    found = report([told])
    assert found["notes"] == ["told-0001: there are no learning curves: metrics.jsonl is missing"]
    assert "Learning curves" not in read(found).all("h2")


def test_a_test_of_one_class_has_no_curves_to_miss(tmp_path):
    run = write_told_run(tmp_path / "one-0001", [True] * 6, labels=[0] * 6)
    for name in ("confusion_matrix", "reliability", "worst", "learning_curves"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(run.evaluation / f"{name}.png")
    assert report([run])["notes"] == [] and not (run.evaluation / "roc.png").exists()


def test_hundreds_of_classes_and_epochs_and_files_left_out(tmp_path):
    names = [f"class {number}" for number in range(30)]
    left_out = [{"path": f"{number}.jpg", "why": "is empty"} for number in range(60)]
    run = write_told_run(tmp_path / "many-0001", [True, False] * 45, class_names=names,
                         data={"path": "x", "summary": "many", "train": 1, "validation": 1, "test": 90,
                               "left_out": left_out})
    page = read(report([run]))
    assert "30 classes" in page.all("summary") and "and 10 more, in run.json" in page.all("li")


@pytest.mark.parametrize("changes", [
    {"cache": {}}, {"cache": {"cuts": [{"name": 1}]}}, {"wall_seconds": ["x"]}, {"wall_seconds": {"total": "long"}},
    {"versions": None}, {"recoveries": {"a": 1}}, {"began": "yesterday"}, {"began": 7}, {"best_epoch": "last"},
    {"phases": []}, {"examples_per_second": None},
    {"data": {"path": "x", "summary": "y", "train": 1, "validation": 1, "test": 1, "left_out": [7]}}])
def test_a_record_that_tells_less_or_another_thing_is_shown_without_it(told, changes):
    told.update_manifest(**changes)
    read(report([told]))


@pytest.mark.parametrize("content", [b"", b"no picture", b"-----BEGIN OPENSSH PRIVATE KEY-----"])
def test_what_is_no_picture_gets_into_no_page(told, content):
    (told.evaluation / "roc.png").write_bytes(content)
    with pytest.raises(RunError, match="Expected a PNG file in .*roc.png"):
        report([told])
    assert not (told.path / "report.html").exists()


def test_a_picture_that_leads_out_of_the_run_gets_into_no_page(told, tmp_path):
    shutil.move(told.evaluation / "roc.png", tmp_path / "secret.png")
    (told.evaluation / "roc.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(RunError, match="roc.png"):
        report([told])


def test_nothing_is_drawn_through_a_link(told, tmp_path):
    shutil.move(told.evaluation, tmp_path / "elsewhere")
    told.evaluation.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="is a symbolic link"):
        report([told])


@pytest.mark.parametrize("runs, error, words", [
    ([], UsageError, "nothing to report"), (["told-0002"], RunError, "Did you mean|is no folder"),
    (["told-0001", "told-0001"], UsageError, "named twice")])
def test_runs_that_will_not_do(told, tmp_path, monkeypatch, runs, error, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        report(runs)


def test_an_unfinished_run_and_runs_of_two_tasks(told, tmp_path):
    other = write_told_run(tmp_path / "other-0001", RIGHT, task="text_classification")
    with pytest.raises(UsageError, match="runs of one task"):
        report([told, other])
    told.update_manifest(status="failed")
    with pytest.raises(RunError, match="not finished"):
        report([told])


@pytest.mark.parametrize("to, words", [
    ("model.keras", "doesn't end in .html"), ("folder.html", "is a folder"), ("nowhere/x.html", "is no folder")])
def test_places_where_no_page_is_written(told, tmp_path, to, words):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(UsageError, match=words):
        report([told], to=tmp_path / to)
    assert not (told.path / "report.html").exists()


def test_a_place_that_is_not_writable_says_so(told, monkeypatch):
    def full(path, text):
        raise RunError("Choose a directory with --run-dir.") from OSError(28, "No space left on device")

    monkeypatch.setattr("tfpt.workflows.report.atomic_write_text", full)
    with pytest.raises(UsageError, match="report.html, but: No space left on device. Name another file with --to"):
        report([told])


@pytest.mark.parametrize("phases", [7, [{**PHASES[0], "unfreeze": "all"}]])
def test_a_schedule_that_is_none_is_refused(told, phases):
    told.update_manifest(phases=phases)
    with pytest.raises(RunError, match="phases"):
        report([told])
