from pathlib import Path

import pytest

from tests.data.tfds.prepared_sets import pictures, prepare
from tfpt.data.tfds.prepared import PreparedSet, prepared_names, prepared_set


def make(folder: Path, *versions: str) -> None:
    for version in versions:
        (folder / version).mkdir(parents=True)
        (folder / version / "features.json").write_text("{}")


def test_the_newest_version_that_fits_is_taken(tmp_path):
    make(tmp_path / "mnist", "3.0.1", "3.0.10", "2.9.9")
    (tmp_path / "mnist" / "4.0.0").mkdir()  # not finished
    found = prepared_set(str(tmp_path), "mnist")
    assert found.folder(None, None) == tmp_path / "mnist" / "3.0.10"
    assert found.folder(None, "2.*.*") == tmp_path / "mnist" / "2.9.9"
    assert found.folder(None, "4.0.0") is None and found.folder("config", None) is None


@pytest.mark.parametrize("prepared, asked, taken", [
    (["b"], None, "b"), (["a", "b"], None, None), (["a", "b"], "a", "a"), (["a"], "../a", None)])
def test_a_config_is_taken_by_name_or_if_there_is_no_other(tmp_path, prepared, asked, taken):
    for config in prepared:
        make(tmp_path / "shapes" / config, "1.0.0")
    found = prepared_set(str(tmp_path), "shapes").folder(asked, None)
    assert found == (tmp_path / "shapes" / taken / "1.0.0" if taken else None)


def test_the_default_config_is_the_one_that_tfds_noted(tmp_path):
    examples = {"train": pictures(3)}
    for config in ("plain", "noisy"):
        prepare(tmp_path, examples, configs=["plain", "noisy"], config=config, shards=1)
    found = prepared_set(str(tmp_path), "shapes")
    assert found.default_config == "plain" and set(found.configs) == {"plain", "noisy"}
    assert found.folder(None, None) == tmp_path / "shapes" / "plain" / "1.2.0"


@pytest.mark.parametrize("note", ["", "[]", '{"default_config_name": 3}'])
def test_a_damaged_note_of_the_default_is_none(tmp_path, note):
    make(tmp_path / "shapes" / "plain", "1.0.0")
    (tmp_path / "shapes" / ".config").mkdir()
    (tmp_path / "shapes" / ".config" / "metadata.json").write_text(note)
    assert prepared_set(str(tmp_path), "shapes").default_config is None


def test_the_names_of_what_is_prepared(tmp_path):
    make(tmp_path / "mnist", "3.0.1")
    make(tmp_path / "shapes" / "plain", "1.0.0")
    (tmp_path / "downloads" / "manual").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    assert prepared_names(str(tmp_path)) == ["mnist", "shapes"]
    assert prepared_names(str(tmp_path / "nowhere")) == []
    assert prepared_set(str(tmp_path), "nothing") == PreparedSet({})
