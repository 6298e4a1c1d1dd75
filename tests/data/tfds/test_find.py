import json
import sys

import pytest
import tensorflow_datasets as tfds

from tests.data.tfds.prepared_sets import pictures, prepare
from tfpt.data.tfds import find, own_features
from tfpt.data.tfds.find import open_builder
from tfpt.data.tfds.reference import read_reference
from tfpt.errors import DataError

FEW = {"train": pictures(3)}


def opened(text, data_dir=None):
    return open_builder(read_reference(f"tfds:{text}"), None if data_dir is None else str(data_dir))


def refused(text, data_dir=None) -> str:
    with pytest.raises(DataError) as caught:
        opened(text, data_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_prepared_set_is_opened_from_its_folder_alone(data_dir):
    builder = opened("shapes", data_dir)
    assert builder.info.full_name == "shapes/1.2.0" and set(builder.info.splits) == {"train", "test"}


def test_tfds_own_folder_is_where_sets_are_by_default(own_default):
    prepare(own_default, FEW)
    assert opened("shapes").data_dir.startswith(str(own_default))


def test_the_users_home_may_be_written_short(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    prepare(tmp_path / "sets", FEW)
    assert opened("shapes", "~/sets").info.name == "shapes"


@pytest.mark.parametrize("folder", ["nowhere", ""])
def test_a_folder_that_is_not_there_is_told(folder):
    assert f"data.data_dir (--data-dir) is {folder or 'empty'}, which is no folder." in refused("mnist", folder)


def test_a_name_that_nobody_knows_gets_the_nearest(tmp_path):
    prepare(tmp_path, FEW)
    text = refused("mnits", tmp_path)
    assert text.startswith("TensorFlow Datasets has no data set mnits, and none of that name is prepared in "
                           f"{tmp_path}. Did you mean mnist")
    assert text.endswith("Prepared there: shapes.")
    prepare(tmp_path, FEW, name="garden_birds")
    assert "Did you mean garden_birds? Prepared there: garden_birds, shapes." in refused("garden_bird", tmp_path)
    assert "Did you mean imagenet2012?" in refused("imagenet2021", tmp_path).replace(" or ", "? ")
    assert "tfds:NAME" in refused("qqqqqqqq", tmp_path)


def test_what_is_not_prepared_is_told_with_all_that_can_be_done(tmp_path):
    text = refused("mnist", tmp_path)
    assert text.startswith(f"mnist isn't prepared in {tmp_path}, and tfpt downloads nothing. Prepare it where there is "
                           'a network: python -c "import tensorflow_datasets as tfds; tfds.builder(\'mnist\', '
                           f"data_dir='{tmp_path}').download_and_prepare()\" Or copy its folder, mnist/, there")
    single = refused("beans", tmp_path)
    assert "/beans/train.zip" not in single  # of several files none is named
    assert "; or put cifar-10-binary.tar.gz from " in refused("cifar10", tmp_path)
    assert refused("cifar10", tmp_path).endswith(f"cifar-10-binary.tar.gz into {tmp_path}/downloads/manual.")


def test_what_is_fetched_by_hand_is_told_with_its_folder_and_tfds_own_words(tmp_path):
    text = refused("imagenet2012", tmp_path)
    assert f"Put its files into {tmp_path}/downloads/manual, and tfpt prepares it there." in text
    assert "should contain two files: ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar." in text


def test_the_folder_of_the_set_itself_is_one_too_deep(tmp_path):
    for name in ("mnist", "shapes"):
        prepare(tmp_path, FEW, name=name)
        for place in (tmp_path / name, tmp_path / name / "1.2.0"):
            assert f"Perhaps {tmp_path} is meant, the folder above {name}/." in refused(name, place)


def test_a_config_that_does_not_exist_gets_the_nearest(tmp_path):
    text = refused("cifar10_corrupted:bightness_1", tmp_path)
    assert text.startswith("cifar10_corrupted has no config bightness_1; its 95 configs are brightness_1, bright")
    assert "and 87 more. Did you mean brightness_1 or" in text
    assert refused("mnist:large", tmp_path) == "mnist has no configs, found large. Name tfds:mnist."


@pytest.mark.parametrize("name", ["shapes", "cifar10_corrupted"])
def test_other_configs_or_versions_that_are_prepared_are_named(tmp_path, name):
    for config in ("contrast_1", "contrast_2"):
        prepare(tmp_path, FEW, name=name, configs=["brightness_1", "contrast_1", "contrast_2"], config=config)
    there = f"tfds:{name}:contrast_1:1.2.0, tfds:{name}:contrast_2:1.2.0"
    assert f"its default one isn't prepared in {tmp_path}. Name one of those that are: {there}." in refused(
        name, tmp_path)
    text = refused(f"{name}:brightness_2", tmp_path)
    assert text.startswith(f"{name} in the config brightness_2 isn't prepared in {tmp_path}. Name what is: {there}")
    assert (", or prepare the other where there is a network: python -c" in text) == (name != "shapes")
    assert f"{name} in the config contrast_1 in version 9.9.9 isn't" in refused(f"{name}:contrast_1:9.9.9", tmp_path)
    assert opened(f"{name}:contrast_2", tmp_path).info.full_name == f"{name}/contrast_2/1.2.0"


@pytest.mark.parametrize("file, content", [
    ("features.json", ""), ("features.json", "[1]"),
    ("features.json", "{}"),
    ("dataset_info.json", ""), ("dataset_info.json", "{"), ("dataset_info.json", '{"name": 3}')])
def test_a_damaged_description_is_told(tmp_path, file, content):
    folder = prepare(tmp_path, FEW)
    (folder / file).write_text(content)
    text = refused("shapes", tmp_path)
    assert text.startswith(f"the description of the data set in {folder} (dataset_info.json, features.json) can't be ")


SEQUENCE = "tensorflow_datasets.core.features.sequence_feature.Sequence"
FEATURES_DICT = "tensorflow_datasets.core.features.features_dict.FeaturesDict"


def smuggled(key: str = "type", name: str = "smuggled.Feature") -> dict:
    return {key: name, "content": {}}


@pytest.fixture
def described(tmp_path, monkeypatch):
    """Replaces the description of a prepared set's label; a module ``smuggled`` could be imported."""
    folder = prepare(tmp_path, FEW)
    (tmp_path / "smuggled.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w').close()")
    monkeypatch.syspath_prepend(str(tmp_path))
    description = json.loads((folder / "features.json").read_text())

    def describe(label) -> None:
        description["featuresDict"]["features"]["label"] = label
        (folder / "features.json").write_text(json.dumps(description))
    yield describe
    assert "smuggled" not in sys.modules and not (tmp_path / "canary").exists()


@pytest.mark.parametrize("label", [
    *(smuggled(key) for key in ("pythonClassName", "python_class_name", "type")),
    smuggled(name="tensorflow_datasets.smuggled.Feature"),
    {"pythonClassName": SEQUENCE, "jsonFeature": {"json": json.dumps({"feature": smuggled(), "length": None})}},
    {"pythonClassName": SEQUENCE, "json_feature": {"json": json.dumps({"feature": smuggled(), "length": None})}},
    {"pythonClassName": FEATURES_DICT, "jsonFeature": {"json": json.dumps({"a": smuggled()})}},
    {"pythonClassName": FEATURES_DICT, "jsonFeature": {"json": json.dumps({"a": {
        "pythonClassName": SEQUENCE, "jsonFeature": {"json": json.dumps({"feature": smuggled(), "length": 1})}}})}},
    {"type": SEQUENCE, "proto_cls": "tensorflow_datasets.Sequence", "content": json.dumps({
        "feature": smuggled("pythonClassName") | {"jsonFeature": {"json": "{}"}}, "length": 1})},
])
def test_no_code_is_imported_that_the_data_name(tmp_path, described, label):
    described(label)
    assert "names classes that aren't TensorFlow Datasets' own features, " in (text := refused("shapes", tmp_path))
    assert "smuggled.Feature. Opening it would import them" in text


def test_none_is_imported_even_if_the_names_pass_for_known(tmp_path, described, monkeypatch):
    monkeypatch.setattr(own_features, "foreign_classes", lambda description: [])
    described({"pythonClassName": SEQUENCE, "jsonFeature": {"json": json.dumps({"feature": smuggled(), "length": 1})}})
    text = refused("shapes", tmp_path)
    assert "can't be read: smuggled.Feature is none of TensorFlow Datasets' own features." in text


def test_a_description_within_the_description_that_is_damaged_is_told(tmp_path, described):
    described({"pythonClassName": SEQUENCE, "jsonFeature": {"json": '{"feature": '}})
    assert "features.json) can't be read: " in refused("shapes", tmp_path)


@pytest.mark.parametrize("label", [
    {"pythonClassName": "tensorflow_datasets.core.features.class_label_feature.ClassLabel",
     "classLabel": {"numClasses": "3"}},
    {"pythonClassName": SEQUENCE, "jsonFeature": {"json": json.dumps({
        "feature": {"type": "tensorflow_datasets.core.features.text_feature.Text", "content": {}}, "length": None})}},
])
def test_tfds_own_features_are_rebuilt_in_each_form(tmp_path, described, label):
    described(label)
    before = tfds.features.FeatureConnector.__dict__["cls_from_name"]
    assert set(opened("shapes", tmp_path).info.features) == {"image", "label"}
    assert tfds.features.FeatureConnector.__dict__["cls_from_name"] is before


def test_a_description_as_older_tfds_wrote_it_is_read(tmp_path):
    core = "tensorflow_datasets.core.features"
    old = {"type": FEATURES_DICT, "content": {
        "image": {"type": f"{core}.image_feature.Image",
                  "content": {"shape": [None, None, 3], "dtype": "uint8", "encoding_format": "png"}},
        "label": {"type": f"{core}.class_label_feature.ClassLabel", "content": {"num_classes": 3}},
        "sizes": {"type": SEQUENCE, "content": {"length": None, "feature": {
            "type": f"{core}.feature.Tensor", "content": {"shape": [2], "dtype": "int64", "encoding": "none"}}}}}}
    (prepare(tmp_path, FEW) / "features.json").write_text(json.dumps(old))
    assert set(opened("shapes", tmp_path).info.features) == {"image", "label", "sizes"}


def test_code_that_misses_a_package_is_told(tmp_path, monkeypatch):
    def fail(name):
        raise ModuleNotFoundError("No module named 'pandas'")

    monkeypatch.setattr(tfds, "builder_cls", fail)
    assert refused("mnist", tmp_path).startswith(
        "mnist isn't prepared, and the code that would do it can't be imported: No module named 'pandas'. Install what")


def test_what_is_prepared_needs_no_list_of_what_tfds_knows(data_dir, monkeypatch):
    monkeypatch.setattr(find, "_known_names", None)
    assert opened("shapes", data_dir).info.name == "shapes"


def test_a_folder_that_can_not_be_read_is_told(tmp_path, monkeypatch):
    prepare(tmp_path, FEW)

    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(tmp_path / "shapes"))

    monkeypatch.setattr(find, "prepared_set", refuse)
    assert refused("shapes", tmp_path) == f"{tmp_path}/shapes can't be read: Permission denied. Check its permissions."
