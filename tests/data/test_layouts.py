import os

import pytest

from tests.data.image_files import class_folders, save_photo
from tfpt.data.layouts import DATA_TAKES, no_such_path, read_layout
from tfpt.errors import DataError


def test_each_layout_is_recognised(tmp_path):
    class_folders(tmp_path / "photos", {"cats": 1, "dogs": 1})
    (tmp_path / "list.CSV").write_text("path,label\nphotos/cats/0.png,cats\n")
    assert read_layout(str(tmp_path / "photos")).class_names == ("cats", "dogs")
    assert read_layout(str(tmp_path / "list.CSV")).class_names == ("cats",)
    assert read_layout("bundled:digits").title == "UCI digits"


def test_a_missing_folder_offers_the_nearest_name(tmp_path, monkeypatch):
    class_folders(tmp_path / "photos", {"cats": 1})
    (tmp_path / "photos.csv").write_text("path,label\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        read_layout("photoz/")
    assert str(error.value) == f"no folder photoz/ here. Did you mean photos/? {DATA_TAKES}"
    assert no_such_path("Photos.CSV") == "no file Photos.CSV here. Did you mean photos.csv?"
    assert no_such_path("photos/catz") == "no folder catz/ in photos. Did you mean photos/cats/?"
    assert no_such_path("photoz/cats") == "no folder photoz/ here. Did you mean photos/?"
    assert no_such_path("zebra") == "no folder zebra/ here."
    assert no_such_path(str(tmp_path / "photo")) == (
        f"no folder photo/ in {tmp_path}. Did you mean {tmp_path}/photos/?")


@pytest.mark.parametrize("name, message", [
    ("a.png", "is one image, a data set was expected"), ("a.parquet", "a file of no known kind"),
    ("pipe", "neither a folder nor a file")])
def test_other_things_are_refused(tmp_path, name, message):
    path = tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    elif name == "a.png":
        save_photo(path)
    else:
        path.write_bytes(b"x")
    with pytest.raises(DataError, match=message) as error:
        read_layout(str(path))
    assert DATA_TAKES in str(error.value)


def test_an_unknown_bundled_set():
    with pytest.raises(DataError, match="no bundled data set 'bundled:digitz', the only one is bundled:digits"):
        read_layout("bundled:digitz")


def test_an_unreadable_folder_is_a_data_error(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="can't be read: Permission denied. Check its permissions"):
        read_layout(str(tmp_path))
