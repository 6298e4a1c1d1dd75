import json

import pytest

from tfpt.errors import ConfigError, WeightsError
from tfpt.models import bundled
from tfpt.models.weight_source import find_weights

DESCRIPTION = {"backbone": "MobileNetV2", "alpha": 0.5, "image_size": 64}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_run(path, finished=True):
    path.mkdir(parents=True)
    (path / "run.json").write_text("{}")
    (path / "config.yaml").write_text("")
    if finished:
        (path / "backbone.keras").touch()
        (path / "backbone.json").write_text(json.dumps(DESCRIPTION))


@pytest.mark.parametrize("keyword", ["imagenet", "none"])
def test_keywords(keyword):
    assert find_weights(keyword).kind == keyword


@pytest.mark.parametrize("named", ["photos-0001", "runs/photos-0001"])
def test_a_run_by_name_or_folder(here, named):
    make_run(here / "runs/photos-0001")
    source = find_weights(named)
    assert source.kind == "keras_file" and source.file.name == "backbone.keras"
    assert source.description == DESCRIPTION


def test_a_run_without_a_backbone_says_how_to_finish_it(here):
    make_run(here / "runs/photos-0001", finished=False)
    with pytest.raises(WeightsError, match="--resume --run-dir .*photos-0001"):
        find_weights("photos-0001")


def test_a_file_brings_the_description_beside_it(here):
    (here / "backbone.weights.h5").touch()
    assert find_weights("backbone.weights.h5").description == {}
    (here / "backbone.json").write_text(json.dumps(DESCRIPTION))
    assert find_weights("backbone.weights.h5").description == DESCRIPTION


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_description_that_cannot_be_read(here, content):
    (here / "model.keras").touch()
    (here / "backbone.json").write_text(content)
    with pytest.raises(WeightsError, match="backbone.json should"):
        find_weights("model.keras")


@pytest.mark.parametrize("weights, hint", [
    ("imagnet", "Did you mean imagenet"), ("photos-0002", "Did you mean photos-0001"), ("none.keras", "no such file"),
    ("modle.keras", "Did you mean model.keras"), ("nowhere/nothing.h5", "names nothing here")])
def test_what_does_not_exist_lists_what_does(here, weights, hint):
    make_run(here / "runs/photos-0001")
    (here / "model.keras").touch()
    with pytest.raises(ConfigError, match=hint) as caught:
        find_weights(weights)
    assert all(word in str(caught.value) for word in ("imagenet, bundled, none, a run", ".keras", ".weights.h5"))


@pytest.mark.parametrize("name, kind", [
    ("model.h5", "legacy .h5"), ("model.pkl", ".pkl"), ("model.txt", "no known format"), ("saved", "SavedModel")])
def test_formats_that_are_refused(here, name, kind):
    (here / "saved").mkdir()
    (here / "saved/saved_model.pb").touch()
    if name != "saved":
        (here / name).touch()
    with pytest.raises(WeightsError, match=f"{kind}.*doesn't take"):
        find_weights(name)


def test_an_installation_without_the_bundled_weights(here, monkeypatch):
    monkeypatch.setattr(bundled, "ASSET", here / "weights.npz")
    with pytest.raises(WeightsError, match="incomplete"):
        find_weights("bundled")
