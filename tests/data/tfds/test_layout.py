import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.data.image_files import class_folders
from tests.data.tfds.prepared_sets import CLASSES, SPLITS, pictures, prepare, shard_files
from tfpt.data.tfds.layout import read_tfds
from tfpt.errors import DataError

UNLABELLED = [{**example, "label": -1} for example in pictures(4, first_seed=500)]


def refused(text, data_dir, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_tfds(text, str(data_dir) if data_dir is not None else None, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def contents(listed) -> list[tuple[bytes, int]]:
    return sorted((listed.records.stored(index), int(label)) for index, label in enumerate(listed.labels))


def expected(examples) -> list[tuple[bytes, int]]:
    return sorted((example["image"], example["label"]) for example in examples)


def test_the_sets_own_splits_are_its_parts(data_dir):
    listing = read_tfds("tfds:shapes", str(data_dir))
    assert listing.title == "tfds:shapes:1.2.0" and listing.class_names == CLASSES and not listing.left_out
    assert {part: contents(listed) for part, listed in listing.parts.items()} == {
        part: expected(examples) for part, examples in SPLITS.items()}


@pytest.mark.parametrize("split, names", [
    ("train", [f"train[{i}]" for i in range(18)]),
    ("train[:50%]", [f"train[{i}]" for i in range(9)]),
    ("train[8:11]", ["train[8]", "train[9]", "train[10]"]),
    ("train[-1:]+test[2:4]", ["train[17]", "test[2]", "test[3]"]),
    ("all", [f"train[{i}]" for i in range(18)] + [f"test[{i}]" for i in range(6)]),
])
def test_a_split_that_is_named_is_all_there_is(data_dir, split, names):
    listing = read_tfds(f"tfds:shapes@{split}", str(data_dir))
    assert listing.title == f"tfds:shapes:1.2.0@{split}" and list(listing.parts) == ["all"]
    assert listing.parts["all"].names == tuple(f"shapes/{name}" for name in names)


def test_an_images_name_leads_to_it(data_dir):
    listed = read_tfds("tfds:shapes@train", str(data_dir)).parts["all"]
    one = read_tfds("tfds:shapes@train[11:12]", str(data_dir), labelled=False).parts["all"]
    assert one.names == ("shapes/train[11]",) == listed.names[11:12]
    assert one.records.stored(0) == listed.records.stored(11)


@pytest.mark.parametrize("split, why", [
    ("valid", "Unknown split 'valid'"), ("train[:10", "Error parsing split"), ("train+", "Error parsing split"),
    ("train[40:50]", "Requested slice"), ("train[:200%]", "Error parsing split"),
    ("train[::2]", "Error parsing split")])
def test_a_split_that_does_not_exist_is_told_with_those_that_do(data_dir, split, why):
    text = refused(f"tfds:shapes@{split}", data_dir)
    assert text.startswith(f"tfds:shapes:1.2.0@{split} can't be taken: {why}")
    assert text.endswith("Its splits are train (18), test (6).")


@pytest.mark.parametrize("split", ["train[:0]", "train[5:2]"])
def test_a_split_without_images_is_told(data_dir, split):
    assert refused(f"tfds:shapes@{split}", data_dir) == (
        f"tfds:shapes:1.2.0@{split} has no images: its splits are train (18), test (6).")


def test_other_names_of_the_parts_are_understood_and_other_splits_told(tmp_path):
    prepare(tmp_path, {"extra": pictures(3), "test": pictures(3, 50), "train": pictures(3, 100),
                       "val": pictures(3, 200), "mini": pictures(3, 300)})
    listing = read_tfds("tfds:shapes", str(tmp_path))
    assert set(listing.parts) == {"train", "validation", "test"} and listing.note == "splits extra, mini not used"
    assert contents(listing.parts["validation"]) == expected(pictures(3, 200))


def test_a_single_split_is_all_there_is(tmp_path):
    prepare(tmp_path, {"test": pictures(4)})
    assert list(read_tfds("tfds:shapes", str(tmp_path)).parts) == ["all"]


@pytest.mark.parametrize("splits, words", [
    (["a", "b"], "has no split train; its splits are a, b. Name one, such as tfds:shapes:1.2.0@a."),
    (["train", "val", "validation"], "has both a split val and a split validation; one for the validation part was")])
def test_splits_that_make_no_parts_are_told(tmp_path, splits, words):
    prepare(tmp_path, {split: pictures(3, 10 * place) for place, split in enumerate(splits)})
    assert words in refused("tfds:shapes", tmp_path)


def test_only_classes_that_have_images_are_known_in_tfds_order(tmp_path):
    features = {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=["z", "none", "a"])}
    examples = [{**example, "label": 2 * (example["label"] % 2)} for example in pictures(6)]
    prepare(tmp_path, {"train": examples}, features=features)
    listing = read_tfds("tfds:shapes", str(tmp_path))
    assert listing.class_names == ("z", "a")
    assert contents(listing.parts["all"]) == sorted((each["image"], each["label"] // 2) for each in examples)


def test_a_class_that_is_not_in_train_is_told(tmp_path):
    prepare(tmp_path, {"train": pictures(4, kinds=2), "test": pictures(3, 50)})
    assert "the test part of tfds:shapes:1.2.0 has images of insects, of which its train split has none" in refused(
        "tfds:shapes", tmp_path)


def test_a_test_split_without_labels_is_left_out(tmp_path):
    prepare(tmp_path, {"train": pictures(6), "test": UNLABELLED})
    listing = read_tfds("tfds:shapes", str(tmp_path))
    assert list(listing.parts) == ["train"]
    assert [(item.path, item.why) for item in listing.left_out] == [("shapes/test", "its 4 images have no labels")]
    assert refused("tfds:shapes@test", tmp_path).endswith("its images have no labels.")


def test_single_images_without_a_label_are_left_out(tmp_path):
    prepare(tmp_path, {"train": [*pictures(6), UNLABELLED[0]]}, shards=1)
    listing = read_tfds("tfds:shapes", str(tmp_path))
    (left,) = listing.left_out
    assert left.why == "has no label" and left.path not in listing.parts["all"].names
    assert contents(listing.parts["all"]) == expected(pictures(6))


def test_a_label_out_of_range_is_told(tmp_path):
    folder = prepare(tmp_path)
    text = (folder / "features.json").read_text()
    (folder / "features.json").write_text(text.replace('"numClasses": "3"', '"numClasses": "2"'))
    (folder / "label.labels.txt").write_text("a\nb\n")
    assert "has the label 2, and there are 2 classes" in refused("tfds:shapes", tmp_path)


@pytest.mark.parametrize("names", ["a\na\nb\n", "a\n", "a\nb\nc\nd\n"])
def test_damaged_names_of_classes_are_told(tmp_path, names):
    (prepare(tmp_path) / "label.labels.txt").write_text(names)
    text = refused("tfds:shapes", tmp_path)
    assert "the names of the classes of tfds:shapes:1.2.0 are damaged: 3 different ones were expected, found a" in text


def test_names_of_classes_can_not_steer_a_terminal(tmp_path):
    (prepare(tmp_path) / "label.labels.txt").write_text("\x1b[31mred\nb\nc\n")
    assert read_tfds("tfds:shapes", str(tmp_path)).class_names == ("\\x1b[31mred", "b", "c")


def test_without_labels_all_splits_are_taken(tmp_path):
    features = {"image": tfds.features.Image(), "text": tfds.features.Text()}
    examples = [{"image": example["image"], "text": "a"} for example in pictures(5)]
    prepare(tmp_path, {"a": examples[:3], "b": examples[3:]}, features=features)
    listing = read_tfds("tfds:shapes", str(tmp_path), labelled=False)
    assert listing.class_names == () and list(listing.parts) == ["all"]
    assert contents(listing.parts["all"]) == sorted((example["image"], -1) for example in examples)
    assert "found image (Image), text (Text)" in refused("tfds:shapes", tmp_path)


def test_only_files_that_are_needed_are_read(tmp_path):
    folder = prepare(tmp_path)
    (folder / "shapes-train.tfrecord-00001-of-00002").write_bytes(b"damaged")
    assert len(read_tfds("tfds:shapes@train[:9]", str(tmp_path)).parts["all"]) == 9
    assert "train.tfrecord-00001-of-00002 is damaged" in refused("tfds:shapes@train", tmp_path)


def test_only_files_that_are_needed_have_to_be_there(tmp_path):
    folder = prepare(tmp_path, shards=3)
    _, *others = shard_files(folder)
    for file in others:
        file.unlink()
    assert len(read_tfds("tfds:shapes@train[:6]", str(tmp_path)).parts["all"]) == 6
    assert f"2 of 3 files of shapes/1.2.0 that are to be read aren't there, first {others[0]}." in refused(
        "tfds:shapes@train", tmp_path)


@pytest.fixture
def folders(tmp_path):
    class_folders(tmp_path / "sets" / "train", {"cats": 3, "dogs": 4})
    class_folders(tmp_path / "sets" / "holiday", {"cats": 2, "dogs": 2}, first_seed=50)
    return tmp_path / "sets"


def test_folders_as_image_folder_takes_them_are_read_as_files(folders, monkeypatch):
    class_folders(folders / "test", {"cats": 1, "dogs": 1}, first_seed=90)
    listing = read_tfds("tfds:ImageFolder", str(folders))
    assert {part: len(listed) for part, listed in listing.parts.items()} == {"train": 7, "test": 2}
    assert listing.parts["test"].paths == tuple(str(folders / "test" / name / "0.png") for name in ("cats", "dogs"))
    one = read_tfds("tfds:image_folder@holiday", str(folders))
    assert len(one.parts["all"]) == 4 and one.class_names == ("cats", "dogs")
    builder = tfds.ImageFolder(str(folders))
    assert builder.info.splits["holiday"].num_examples == 4 and builder.info.features["label"].names == ["cats", "dogs"]
    monkeypatch.setenv("HOME", str(folders.parent))
    assert len(read_tfds("tfds:image_folder@train", "~/sets").parts["all"]) == 7


@pytest.mark.parametrize("others", [["dev"], ["extra", "test"]])
def test_folders_of_image_folder_are_splits_whatever_they_are_called(tmp_path, others):
    for number, name in enumerate(["train", *others]):
        class_folders(tmp_path / name, {"cats": 3, "dogs": 4}, first_seed=20 * number)
    listing = read_tfds("tfds:image_folder", str(tmp_path))
    assert listing.class_names == ("cats", "dogs") and not listing.left_out
    assert {part: len(listed) for part, listed in listing.parts.items()} == dict.fromkeys(
        ["train", *(name for name in others if name == "test")], 7)
    assert listing.note == f"split {others[0]} not used"


def test_a_class_of_image_folder_may_be_called_train(tmp_path):
    for number, split in enumerate(["train", "test"]):
        class_folders(tmp_path / split, {"train": 3, "test": 2}, first_seed=20 * number)
        (tmp_path / split / "train" / "steam").mkdir()
    for text, parts in (("tfds:image_folder", {"train": 5, "test": 5}), ("tfds:image_folder@test", {"all": 5})):
        listing = read_tfds(text, str(tmp_path))
        assert listing.class_names == ("test", "train")
        assert {part: len(listed) for part, listed in listing.parts.items()} == parts


def test_image_folder_alone_with_train_has_that_part(tmp_path):
    class_folders(tmp_path / "train", {"cats": 3, "dogs": 4})
    listing = read_tfds("tfds:image_folder", str(tmp_path))
    assert {part: len(listed) for part, listed in listing.parts.items()} == {"train": 7} and not listing.note


@pytest.mark.parametrize("text, data_dir, words", [
    ("tfds:image_folder", None, "found tfds:image_folder without --data-dir"),
    ("tfds:image_folder:1.0.0", "sets", "was expected, found tfds:image_folder:1.0.0."),
    ("tfds:image_folder@trian", "sets", "no split trian: the folders in sets are holiday, train."),
    ("tfds:image_folder@train[:10%]", "sets", "can't be taken of folders"),
    ("tfds:image_folder", "twice", "tfds:image_folder has both a split val and a split valid; one for the validation"),
    ("tfds:image_folder", "sets/train", "the folders in sets/train are cats, dogs: one called train was expected"),
    ("tfds:image_folder", "nowhere", "nowhere, which is no folder"),
])
def test_other_folders_are_refused(folders, monkeypatch, text, data_dir, words):
    monkeypatch.chdir(folders.parent)
    for split in ("train", "val", "valid"):
        class_folders(folders.parent / "twice" / split, {"cats": 1, "dogs": 1})
    assert words in refused(text, data_dir)


def test_images_stay_in_the_files_of_the_set(data_dir):
    listed = read_tfds("tfds:shapes", str(data_dir)).parts["train"]
    assert listed.pixels is None and listed.paths is None and listed.labels.dtype == np.int32
