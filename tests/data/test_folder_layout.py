import os

import pytest

from tests.data.image_files import class_folders, save_photo
from tfpt.data.folder_layout import read_folder
from tfpt.errors import DataError


def test_a_folder_per_class(tmp_path):
    class_folders(tmp_path / "photos", {"10": 1, "2": 2, "1": 1, "empty": 0, ".hidden": 1})
    save_photo(tmp_path / "photos" / "2" / "deeper" / "x.jpg")
    save_photo(tmp_path / "photos" / "loose.png")
    listing = read_folder(str(tmp_path / "photos"))
    assert listing.title == f"{tmp_path}/photos/"
    assert listing.class_names == ("1", "2", "10")
    images = listing.parts["all"]
    assert [os.path.relpath(path, tmp_path / "photos") for path in images.paths] == [
        "1/0.png", "2/0.png", "2/1.png", "2/deeper/x.jpg", "10/0.png"]
    assert images.labels.tolist() == [0, 1, 1, 1, 2]
    assert images.names == images.paths
    assert [(os.path.relpath(entry.path, tmp_path / "photos"), entry.why) for entry in listing.left_out] == [
        ("loose.png", "stands in no class folder"), ("empty", "empty class folder")]


@pytest.mark.parametrize("validation", ["validation", "val", "valid"])
def test_a_split_of_ones_own(tmp_path, validation):
    class_folders(tmp_path / "train", {"a": 2, "b": 1})
    class_folders(tmp_path / validation, {"b": 1})
    class_folders(tmp_path / "test", {"a": 1, "b": 0})
    class_folders(tmp_path / "raw", {"x": 1})
    listing = read_folder(str(tmp_path))
    assert {part: images.labels.tolist() for part, images in listing.parts.items()} == {
        "train": [0, 0, 1], "validation": [1], "test": [0]}
    assert [(os.path.relpath(entry.path, tmp_path), entry.why) for entry in listing.left_out] == [
        ("raw", "stands beside train/, is no part of the split"), ("test/b", "empty class folder")]


def test_a_class_may_be_called_train(tmp_path):
    class_folders(tmp_path, {"train": 1, "test": 1, "bus": 1})
    assert read_folder(str(tmp_path)).class_names == ("bus", "test", "train")


def test_train_alone_is_a_split_whose_other_parts_are_drawn(tmp_path):
    class_folders(tmp_path / "train", {"a": 1, "b": 1})
    assert list(read_folder(str(tmp_path)).parts) == ["train"]


@pytest.mark.parametrize("files, message", [
    (["1.png", "2.png"], r"has images directly in it \(2\), folders were expected, one per class.*path,label"),
    ([], "has no folder in it, folders were expected"),
    (["a/readme.txt"], "no images in the folders of .*files ending in jpg"),
    (["train/a/1.png", "val/a/1.png", "validation/a/1.png"], "has both val/ and validation/"),
    (["train/a/1.png", "test/b/1.png"], "test/ has images of b, of which train/ has none; its classes are a"),
    (["train/a/1.png", "test/1.png"], r"test/ has images directly in it \(1\)"),
    (["train/a/x.txt", "test/a/1.png"], "no images in the folders of .*train/")])
def test_bad_folders(tmp_path, files, message):
    for name in files:
        save_photo(tmp_path / name, format="PNG")
    with pytest.raises(DataError, match=message):
        read_folder(str(tmp_path))


@pytest.mark.parametrize("name, shown", [("two\nlines", r"two\\nlines"), ("\x1b[31mred", r"\\x1b\[31mred")])
def test_the_name_of_a_class_is_one_line(tmp_path, name, shown):
    class_folders(tmp_path, {"a": 1, name: 1})
    with pytest.raises(DataError, match=f"{shown}/ has a line break or control character"):
        read_folder(str(tmp_path))
