import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.known_models import patch_image, patch_model
from tfpt.errors import DataError, RunError, UsageError
from tfpt.registry import get_task
from tfpt.workflows.explain import MOST_STEPS, explain
from tfpt.workflows.predict import predict


@pytest.fixture
def patch_run(run):
    """The run of ``dark`` and ``light`` pictures with the model that looks for a bright patch."""
    patch_model().save(run.model_file)
    return run


@pytest.fixture
def patches(tmp_path):
    (tmp_path / "patches").mkdir()
    files = []
    for row, column in [(1, 6), (6, 1)]:
        files.append(tmp_path / "patches" / f"{row}{column}.png")
        Image.fromarray(patch_image(row, column)).save(files[-1])
    return files


def warm_part(file, panel, panels):
    """Where a picture's panel is yellow, on average: shares of its height and width."""
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    width = pixels.shape[1] // panels
    part = pixels[30:-30, panel * width:(panel + 1) * width]
    rows, columns = np.nonzero((part[..., 0] > 200) & (part[..., 1] > 150) & (part[..., 2] < 200))
    assert len(rows) > 200
    return rows.mean() / part.shape[0], columns.mean() / part.shape[1]


@pytest.mark.parametrize("method, panels", [("grad-cam", 2), ("integrated-gradients", 2), ("both", 3)])
def test_pictures_show_where_the_patch_is(patch_run, patches, method, panels):
    answers = list(explain("pictures-0001", patches, method=method))
    assert [answer["picture"] for answer in answers] == [
        f"runs/pictures-0001/explanations/{name}_explained.png" for name in ("16", "61")]
    for answer, (row, column) in zip(answers, [(1.5 / 8, 6.5 / 8), (6.5 / 8, 1.5 / 8)]):
        for panel in range(1, panels):
            assert warm_part(answer["picture"], panel, panels) == pytest.approx((row, column), abs=0.08)
    assert json.loads(json.dumps(answers)) == answers
    assert len(list((patch_run.path / "explanations").iterdir())) == 2


def test_it_answers_as_predict_does_and_keeps_the_sum(run, finished):
    folder = finished[0] / "light"
    answers = list(explain(run, folder, method="integrated-gradients", steps=200, baseline="white"))
    expected = list(predict(run, folder))
    assert [answer["input"] for answer in answers] == [answer["input"] for answer in expected]
    for answer, plain in zip(answers, expected, strict=True):
        assert answer["label"] == answer["class"] == plain["label"]
        assert answer["score"] == answer["class_score"] == pytest.approx(plain["score"], abs=1e-6)
        how = answer["integrated_gradients"]
        assert (how["steps"], how["baseline"]) == (200, "white")
        assert how["sum"] == pytest.approx(answer["score"] - how["baseline_score"], abs=1e-3)


def test_a_class_of_one_s_own_choice_goes_to_a_file_of_its_own(run, finished, tmp_path):
    picture = finished[0] / "light" / "0.png"
    first, = explain(run, str(picture), out=tmp_path / "out")
    second, = explain(run, picture, class_name="dark", out=tmp_path / "out")
    assert second["label"] == "light" and second["class"] == "dark"
    assert second["class_score"] == pytest.approx(1 - second["score"], abs=1e-6)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"0_explained.png", "0_explained_as_dark.png"}
    assert not (run.path / "explanations").exists()


def test_pictures_of_a_folder_are_as_many_as_its_images_and_never_them(run, tmp_path):
    folder = tmp_path / "mixed"
    kinds = ("a", "L", (9, 70)), ("b", "RGB", (50, 20)), ("c", "RGBA", (7, 7)), ("d", "I;16", (8, 8))
    for place, mode, size in kinds:
        (folder / place).mkdir(parents=True)
        Image.new(mode, size).save(folder / place / "1.png")
    (folder / "broken.png").write_text("no picture")
    before = {file: file.read_bytes() for file in folder.rglob("*.png")}
    answers = list(explain(run, folder, out=folder / "a"))
    assert [answer["input"] for answer in answers if "error" in answer] == [str(folder / "broken.png")]
    assert len({answer["picture"] for answer in answers[:-1]}) == 4 == len(list((folder / "a").iterdir())) - 1
    assert all(file.read_bytes() == content for file, content in before.items())


def test_nothing_but_broken_images_leave_no_folder(run, tmp_path):
    (tmp_path / "broken.png").touch()
    assert ["error" in item for item in explain(run, tmp_path / "broken.png")] == [True]
    assert not (run.path / "explanations").exists()


def test_pictures_come_one_by_one(run, finished):
    answers = explain(run, finished[0] / "dark")
    assert len(list(itertools.islice(answers, 2))) == 2
    assert len(list((run.path / "explanations").iterdir())) == 2


@pytest.mark.parametrize("inputs, options, error, message", [
    ("nowhere.png", {}, DataError, "nowhere.png"), ([], {}, UsageError, "at least one file"),
    ("runs", {"method": "lime"}, UsageError, "grad-cam, integrated-gradients, both"),
    ("runs", {"baseline": "pink"}, UsageError, "black, grey, white"), ("runs", {"steps": 0}, UsageError, "found 0"),
    ("runs", {"steps": MOST_STEPS + 1}, UsageError, "1 to 10,000 steps"),
    ("runs", {"class_name": "lihgt"}, UsageError, "the class 'lihgt'. Did you mean light"),
    ("runs", {"class_name": "zebra"}, UsageError, "'zebra'. It knows dark, light")])
def test_mistakes_are_told_before_anything_is_written(run, inputs, options, error, message):
    with pytest.raises(error, match=message):
        explain(run, inputs, **options)
    assert not (run.path / "explanations").exists()


def test_an_unfinished_run(run, finished):
    run.update_manifest(status="failed")
    with pytest.raises(RunError, match="not finished"):
        explain(run, finished[0])


def test_a_task_that_explains_nothing_says_so(run, finished, monkeypatch):
    monkeypatch.setattr("tfpt.workflows.finished_run.get_task", lambda name: replace(get_task(name), explain=None))
    with pytest.raises(UsageError, match="is a run of image_classification, which has no explanations"):
        explain(run, finished[0])


@pytest.mark.parametrize("place, message", [("file.txt", "that is no folder"), ("file.txt/below", "Not a directory"),
                                            ("/proc/nothing", "--out FOLDER")])
def test_a_folder_that_cannot_be(run, finished, tmp_path, place, message):
    (tmp_path / "file.txt").write_text("kept")
    with pytest.raises(UsageError, match=message):
        explain(run, finished[0] / "dark", out=tmp_path / place)
    assert (tmp_path / "file.txt").read_text() == "kept"


def test_a_disk_that_fills_up_on_the_way(run, finished, tmp_path, monkeypatch):
    def full(content):
        raise OSError(28, "No space left on device")

    answers = explain(run, finished[0] / "dark", out=tmp_path / "out")
    next(answers)
    monkeypatch.setattr("tfpt.atomic_files.os.fsync", full)
    with pytest.raises(UsageError, match="No space left on device. Name another with --out"):
        next(answers)
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_no_link_leads_out_of_the_run(run, finished, tmp_path):
    (tmp_path / "outside").mkdir()
    (run.path / "explanations").symlink_to(tmp_path / "outside")
    with pytest.raises(RunError, match="explanations is a symbolic link, and pictures"):
        explain(run, finished[0] / "dark")
    assert not list((tmp_path / "outside").iterdir())
