"""What names something on disk becomes absolute; names of other kinds stay."""

import os

from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.loading import with_values
from tfpt.config.paths import with_absolute_paths


def paths_of(data, weights):
    config = with_absolute_paths(with_values(ImageClassificationConfig(), {
        "data.path": data, "model.weights": weights}, "here"))
    return config.data.path, config.model.weights


def test_files_and_folders_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "own.keras").touch()
    assert paths_of("photos", "own.keras") == (os.path.abspath("photos"), os.path.abspath("own.keras"))


def test_other_names_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert paths_of("bundled:digits", "imagenet") == ("bundled:digits", "imagenet")
    assert paths_of("nowhere", None) == ("nowhere", None)
