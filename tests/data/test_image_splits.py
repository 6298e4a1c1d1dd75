import os
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from tests.data.image_files import class_folders, photo, save_photo
from tfpt.config.image_classification import ImageDataConfig
from tfpt.data.decode import resize_image
from tfpt.data.image_splits import image_splits, labelled_images, unlabelled_images
from tfpt.errors import ConfigError, DataError

SIZE = 16


def splits_of(path, seed=0, **settings):
    return image_splits(ImageDataConfig(path=str(path), image_size=SIZE, **settings), seed)


def hashes_of(splits):
    return [set(part.hashes) for part in (splits.train, splits.validation, splits.test)]


def test_digits():
    splits = splits_of("bundled:digits")
    assert splits.summary == ("UCI digits · 10 classes · 1,797 images: "
                              "1,258 train, 270 validation, 269 test")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [1258, 270, 269]
    assert splits.train.pixels.shape == (1258, SIZE, SIZE, 1)
    assert splits.metadata["class_names"] == list("0123456789") and splits.metadata["image_size"] == SIZE
    assert splits.metadata["class_counts"] == np.bincount(splits.train.labels).tolist()
    assert all(type(count) is int for count in splits.metadata["class_counts"])
    train, validation, test = hashes_of(splits)
    assert not (train & validation or train & test or validation & test)


def test_seed_and_content_decide_not_names(tmp_path):
    first = splits_of(class_folders(tmp_path / "a", {"cats": 10, "dogs": 10}))
    for name in ("cats", "dogs"):
        (tmp_path / "b" / name).mkdir(parents=True)
        for number in range(10):
            shutil.copy(tmp_path / "a" / name / f"{number}.png", tmp_path / "b" / name / f"z{9 - number}.PNG")
    renamed = splits_of(tmp_path / "b")
    assert first.fingerprint == renamed.fingerprint and hashes_of(first) == hashes_of(renamed)
    assert hashes_of(splits_of(tmp_path / "a", seed=1)) != hashes_of(first)
    assert splits_of(tmp_path / "a", seed=1).fingerprint != first.fingerprint


def test_what_is_left_out_is_named_and_counted(tmp_path):
    folder = class_folders(tmp_path / "photos", {"cats": 10, "dogs": 10, "empty": 0})
    (folder / "cats" / "broken.jpg").write_bytes(b"")
    splits = splits_of(folder, validation=0.2, test=0.1)
    assert splits.summary.endswith("20 images: 14 train, 4 validation, 2 test · 2 left out "
                                   "(1 broken, 1 in no class; named in run.json)")
    shutil.rmtree(folder / "empty")
    splits = splits_of(folder)
    assert splits.summary.endswith(" · 1 left out (broken; named in run.json)")
    assert [(os.path.basename(entry.path), entry.why) for entry in splits.left_out] == [
        ("broken.jpg", "empty file (zero bytes)")]


def test_copies_stay_on_one_side_and_contradictions_go(tmp_path):
    folder = class_folders(tmp_path, {"cats": 6, "dogs": 6})
    for copy in range(4):
        shutil.copy(folder / "cats" / "0.png", folder / "cats" / f"copy{copy}.png")
    shutil.copy(folder / "cats" / "1.png", folder / "dogs" / "cat.png")
    splits = splits_of(folder)
    assert sum(hashes.isdisjoint(other) for hashes in hashes_of(splits) for other in hashes_of(splits)) == 6
    assert {(os.path.relpath(entry.path, folder), entry.why.split(":")[0]) for entry in splits.left_out} == {
        ("cats/1.png", "the same image also stands under class dogs"),
        ("dogs/cat.png", "the same image also stands under class cats")}
    assert " · 2 left out (copies; named in run.json)" in splits.summary


def test_a_split_of_ones_own_is_kept_and_cleaned(tmp_path):
    class_folders(tmp_path / "train", {"cats": 8, "dogs": 8})
    class_folders(tmp_path / "test", {"cats": 3, "dogs": 2}, first_seed=100)
    shutil.copy(tmp_path / "test" / "cats" / "0.png", tmp_path / "train" / "cats" / "leak.png")
    splits = splits_of(tmp_path, validation=0.25)
    assert sorted(splits.test.names) == sorted(str(path) for path in (tmp_path / "test").rglob("*.png"))
    assert Counter(splits.validation.labels.tolist()) == {0: 2, 1: 2}
    assert [os.path.basename(entry.path) for entry in splits.left_out] == ["leak.png"]
    assert "also stands in test: " in splits.left_out[0].why


def test_train_per_class_leaves_the_other_parts_alone():
    whole, few = splits_of("bundled:digits"), splits_of("bundled:digits", train_per_class=10)
    assert few.metadata["class_counts"] == [10] * 10
    assert hashes_of(few)[1:] == hashes_of(whole)[1:] and hashes_of(few)[0] < hashes_of(whole)[0]
    assert "100 train (10 per class), 270 validation" in few.summary
    assert few.fingerprint != whole.fingerprint
    with pytest.raises(DataError, match="asks for 1,000 training images of each class: 0 has 1"):
        splits_of("bundled:digits", train_per_class=1000)


@pytest.mark.parametrize("counts, settings, error, message", [
    ({"cats": 5}, {}, DataError, "images of one class only, cats; a classifier needs at least two"),
    ({"cats": 5, "dogs": 2}, {}, DataError, "class dogs has 2 distinct usable images; 3 are needed"),
    ({"cats": 5, "dogs": 5}, {"validation": 0.5, "test": 0.5}, ConfigError, "together they must stay below 1")])
def test_too_little_data(tmp_path, counts, settings, error, message):
    with pytest.raises(error, match=message):
        splits_of(class_folders(tmp_path, counts), **settings)


def test_broken_images_may_be_an_error(tmp_path):
    folder = class_folders(tmp_path, {"cats": 5, "dogs": 5})
    for name in "abcd":
        (folder / "cats" / f"{name}.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"4 of 14 images can't be used: .*a.jpg \(empty file .*c.jpg .* and 1 more\."):
        splits_of(folder, on_bad_image="fail")


def test_without_memory_the_files_are_used(tmp_path):
    splits = splits_of(class_folders(tmp_path, {"cats": 5, "dogs": 5}), memory_mb=0)
    assert splits.train.pixels is None
    assert splits.train.load(0).shape == (9, 12, 3)


def test_labelled_images_follow_the_models_class_order(tmp_path):
    class_folders(tmp_path / "train", {"cats": 2, "dogs": 2})
    class_folders(tmp_path / "test", {"cats": 1, "dogs": 2}, first_seed=50)
    source, left_out = labelled_images(str(tmp_path), ["dogs", "fish", "cats"], SIZE, 10)
    assert source.labels.tolist() == [2, 0, 0] and not left_out
    every_image, _ = labelled_images(str(tmp_path / "train"), ["cats", "dogs"], SIZE, 10)
    assert every_image.labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(DataError, match="doesn't know the class dogs of .*: it was trained on cats, birds, and found "
                                        "are cats, dogs"):
        labelled_images(str(tmp_path), ["cats", "birds"], SIZE, 10)


def test_labelled_images_without_a_test_part_are_those_of_the_validation_part(tmp_path):
    class_folders(tmp_path / "train", {"cats": 3, "dogs": 3})
    class_folders(tmp_path / "validation", {"cats": 1, "dogs": 2}, first_seed=50)
    source, left_out = labelled_images(str(tmp_path), ["cats", "dogs"], SIZE, 10)
    assert source.labels.tolist() == [0, 1, 1]
    assert "no test part: measured is its validation part" in left_out[-1].why


def test_labelled_images_that_are_all_broken(tmp_path):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match="none of the 1 images of .* can be read; the first is .*a.png"):
        labelled_images(str(tmp_path), ["cats"], SIZE, 10)


def test_unlabelled_images_in_the_order_given(tmp_path):
    one = save_photo(tmp_path / "one.unknown", 1, format="PNG")
    for name in ("folder/10.png", "folder/2.png", "folder/deep/1.png"):
        save_photo(tmp_path / name, 2)
    (tmp_path / "folder" / "bad.png").write_bytes(b"")
    source, left_out = unlabelled_images([str(one), str(tmp_path / "folder")], SIZE, 10)
    assert [os.path.relpath(name, tmp_path) for name in source.names] == [
        "one.unknown", "folder/2.png", "folder/10.png", "folder/deep/1.png"]
    assert set(source.labels) == {-1}
    assert np.array_equal(source.pixels[0], resize_image(photo(1, 9, 12), SIZE))
    assert [entry.path for entry in left_out] == [str(tmp_path / "folder" / "bad.png")]


def test_unlabelled_images_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (2, 2)).save("bird.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no file birb.png here. Did you mean bird.png"):
        unlabelled_images(["birb.png"], SIZE, 10)
    with pytest.raises(DataError, match="no images in empty or below it"):
        unlabelled_images(["empty"], SIZE, 10)
    (tmp_path / "broken.png").write_bytes(b"")
    source, left_out = unlabelled_images(["broken.png"], SIZE, 10)
    assert len(source) == 0 and len(left_out) == 1


def test_unlabelled_images_below_a_link_to_itself_and_in_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    save_photo(tmp_path / "a.png")
    for name in ("ring", "ring.jpg"):
        (tmp_path / name).symlink_to(name)
    source, broken = unlabelled_images([str(tmp_path)], SIZE, 1)
    assert source.names == (str(tmp_path / "a.png"),)
    assert [(item.path, item.why) for item in broken] == [
        (str(tmp_path / "ring.jpg"), "a link that leads back to itself")]

    def refuse(folder):
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=f"{tmp_path} can't be read: Permission denied"):
        unlabelled_images([str(tmp_path)], SIZE, 1)


def test_what_a_layout_notes_is_told_in_training_and_in_evaluation(tmp_path):
    class_folders(tmp_path, {"a": 5, "b": 5})
    rows = "".join(f"{name}/{number}.png,{name},train\n" for name in "ab" for number in range(5))
    (tmp_path / "list.csv").write_text("path,label,split\n" + rows)
    assert " · its column split is not used" in splits_of(tmp_path / "list.csv").summary
    _, left_out = labelled_images(str(tmp_path / "list.csv"), ["a", "b"], SIZE, 1)
    assert [item.path for item in left_out] == [str(tmp_path / "list.csv")]
    assert left_out[0].why.startswith("its column split is not used")


def test_a_config_without_an_image_size_is_an_error_of_the_user():
    with pytest.raises(ConfigError, match="data.image_size is null"):
        image_splits(ImageDataConfig(), 0)
