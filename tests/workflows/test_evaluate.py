import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.workflows.finished_runs import CLASSES, PER_CLASS, write_pictures
from tfpt.config.loading import load_config
from tfpt.config.writing import to_yaml
from tfpt.errors import DataError, RunError, UsageError
from tfpt.evaluation.stored_predictions import read_predictions
from tfpt.registry import get_task
from tfpt.workflows.evaluate import evaluate, evaluation_name, own_test, write_evaluation
from tfpt.workflows.finished_data import own_splits
from tfpt.workflows.finished_run import open_finished
from tfpt.workflows.run_results import read_test_scores

PICTURES = ["confusion_matrix.png", "roc.png", "precision_recall.png", "reliability.png", "worst.png"]


def test_the_runs_own_test_split(run):
    report = evaluate("pictures-0001")
    assert report["data"] == "test" and report["accuracy"] == 1.0
    assert 0 < report["examples"] < 2 * PER_CLASS
    assert sum(map(sum, report["confusion_matrix"])) == report["examples"]
    assert report["where"] == "runs/pictures-0001/evaluation/test.json"
    stored = json.loads((run.evaluation / "test.json").read_text())
    assert stored == {name: value for name, value in report.items() if name not in ("where", "pictures")}
    assert stored == read_test_scores(run)
    assert report["pictures"] == PICTURES
    assert {file.name for file in run.evaluation.iterdir()} == {"test.json", "test_predictions.npz", *PICTURES}


def test_the_worst_predictions_are_named_and_shown(run):
    report = evaluate(run)
    losses = [row["loss"] for row in report["worst"]]
    assert losses == sorted(losses, reverse=True) and len(losses) == min(20, report["examples"])
    first = report["worst"][0]
    with Image.open(first["name"]) as image:
        colour = np.asarray(image).mean()
    assert abs(colour - CLASSES[first["truth"]]) < 20  # the file of that name is a picture of that class
    with Image.open(run.evaluation / "worst.png") as sheet:
        levels = np.asarray(sheet.convert("L")).ravel()
    assert np.count_nonzero(abs(levels.astype(int) - CLASSES["dark"]) < 15) > 10_000


def test_predictions_are_kept_example_by_example(run):
    report = evaluate(run)
    stored = read_predictions(run.predictions_file)
    right = stored.answers.probabilities.argmax(axis=1) == stored.answers.labels
    assert right.mean() == report["accuracy"] and len(right) == report["examples"]
    task = get_task("image_classification")
    splits = task.sources(load_config(task.config_class, recipe=run.config_file))
    assert [bytes(row).hex() for row in stored.content] == [text[:32] for text in splits.test.hashes]
    assert [bytes(row).hex() for row in stored.trained_on] == [text[:32] for text in splits.train.hashes]


def test_learning_curves_are_drawn_where_there_are_epochs(run):
    lines = [{"epoch": number, "phase": 1, "loss": 1.0, "validation_loss": 2.0} for number in (1, 2)]
    run.metrics_file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert evaluate(run)["pictures"] == [*PICTURES, "learning_curves.png"]
    run.metrics_file.write_text("no JSON")
    report = evaluate(run)
    assert report["pictures"] == PICTURES and not (run.evaluation / "learning_curves.png").exists()
    assert "There are no learning curves. Expected in" in report["notes"][-1]


def test_the_average_over_mirror_images_is_another_evaluation(run):
    plain, flipped = evaluate(run), evaluate(run, flip=True)
    assert flipped["flip"] and flipped["where"].endswith("test+flip.json") and not plain["flip"]
    assert flipped["loss"] == pytest.approx(plain["loss"], rel=1e-4)  # of brightness, a mirror image has as much
    assert {"roc.png", "roc_test+flip.png"} <= {file.name for file in run.evaluation.iterdir()}
    assert json.loads((run.evaluation / "test.json").read_text())["flip"] is False


def test_a_task_without_mirror_images_says_so(run, monkeypatch):
    monkeypatch.setattr("tfpt.workflows.finished_run.get_task", lambda name: replace(get_task(name), mirrored=None))
    with pytest.raises(UsageError, match="--flip.*image_classification"):
        evaluate(run, flip=True)


def test_pictures_of_an_earlier_evaluation_do_not_outlive_it(run):
    evaluate(run)
    opened = open_finished(run)
    examples = own_test(own_splits(opened))
    found = opened.task.report(opened.config, opened.model, examples.source, opened.metadata)
    write_evaluation(run, opened.task, found, examples)
    assert {file.name for file in run.evaluation.iterdir()} == {"test.json", "test_predictions.npz"}


def test_data_of_one_class_alone_have_no_curves(run, tmp_path):
    write_pictures(tmp_path / "new", per_class=2, seed=7)
    shutil.rmtree(tmp_path / "new" / "light")
    (tmp_path / "new" / "light").mkdir()
    (tmp_path / "rows.csv").write_text("path,label\nnew/dark/0.png,dark\nnew/dark/1.png,dark\n")
    report = evaluate(run, data="rows.csv")
    assert [file.split("_rows")[0] for file in report["pictures"]] == ["confusion_matrix", "reliability", "worst"]


def test_other_data_with_a_broken_image(run, tmp_path):
    write_pictures(tmp_path / "new", per_class=3, seed=7)
    Image.fromarray(np.full((30, 40, 3), 10, np.uint8)).save(tmp_path / "new" / "light" / "wrong.png")
    (tmp_path / "new" / "dark" / "broken.png").write_bytes(b"no picture")
    report = evaluate(run, data=str(tmp_path / "new"))
    assert report["examples"] == 7 and report["accuracy"] == pytest.approx(6 / 7)
    assert [item["path"].endswith("broken.png") for item in report["left_out"]] == [True]
    assert {file.name for file in run.evaluation.iterdir()} == {
        "new.json", *(picture.replace(".png", "_new.png") for picture in PICTURES)}


def test_other_data_called_test_is_not_taken_for_the_test_split(run, tmp_path):
    write_pictures(tmp_path / "test", per_class=2, seed=8)
    where = evaluate(run, data="test/")["where"]
    assert re.search(r"/evaluation/data-test-[0-9a-f]{8}\.json$", where)


@pytest.mark.parametrize("data, name", [
    ("photos/", "photos"), ("a/b/photos.csv", "photos.csv"), ("/data/vögel", "vögel"), ("data-test", "data-test")])
def test_an_evaluation_of_plainly_named_data_is_called_so(data, name):
    assert evaluation_name(data, False) == name and evaluation_name(data, True) == f"{name}+flip"


def test_other_data_have_files_of_other_names():
    data = ["data-test", "x/test", "y/test", "Test", "tfds:mnist@test[:10%]", "tfds:mnist@test[10:]",
            "tfds:mnist@test[:10]", "tfds:mnist@test", "tfds-mnist-test-10", "my photos", "my-photos", "-my-photos",
            "?"]
    names = [evaluation_name(reference, False) for reference in data]
    assert len({name.lower() for name in names}) == len(data) and "test" not in names
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)
    assert names[4].startswith("tfds-mnist-test-10-") and names[4] == evaluation_name(data[4], False)


def test_data_are_called_alike_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "my photos").mkdir()
    monkeypatch.chdir(tmp_path)
    assert evaluation_name("my photos", False) == evaluation_name(str(tmp_path / "my photos"), False)


def test_data_that_the_run_was_trained_on_are_told(run, finished, tmp_path):
    trained_on = len(own_splits(open_finished(run)).train)
    evaluate(run)
    report = evaluate(run, data=str(finished[0]))
    assert report["trained_on_examples"] == trained_on and report["examples"] == 2 * PER_CLASS
    note, = report["notes"]
    assert note.startswith(f"{trained_on} of the {2 * PER_CLASS} examples are among those that the run was trained on")
    stored = json.loads((run.evaluation / "pictures.json").read_text())
    assert stored["notes"] == [note] and stored["trained_on_examples"] == trained_on
    write_pictures(tmp_path / "new", per_class=2, seed=7)
    report = evaluate(run, data="new")
    assert report["trained_on_examples"] == 0 and report["notes"] == []


@pytest.mark.parametrize("content", [None, b"no predictions"])
def test_what_a_run_was_trained_on_may_be_unknown(run, finished, content):
    if content is not None:
        run.evaluation.mkdir()
        run.predictions_file.write_bytes(content)
    report = evaluate(run, data=str(finished[0]))
    assert report["trained_on_examples"] is None and report["notes"] == []


def test_data_that_changed_since_training_is_refused(run, tmp_path):
    write_pictures(tmp_path / "pictures", per_class=PER_CLASS - 1)
    task = get_task("image_classification")
    config = load_config(task.config_class, recipe=run.config_file, settings={"data.path": str(tmp_path / "pictures")})
    run.config_file.write_text(to_yaml(config))
    with pytest.raises(DataError, match="changed since training.*--data PATH"):
        evaluate(run)
    assert not run.evaluation.exists()


def test_an_unfinished_run(run):
    run.update_manifest(status="running")
    with pytest.raises(RunError, match="not finished"):
        evaluate(run)


def test_a_run_that_is_not_there(run):
    with pytest.raises(RunError, match="Did you mean pictures-0001"):
        evaluate("pictures-0002")
