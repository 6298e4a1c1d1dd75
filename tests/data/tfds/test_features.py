from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfpt.data.tfds.features import Columns, find_columns
from tfpt.errors import DataError

IMAGE, LABEL, NUMBER = tfds.features.Image(), tfds.features.ClassLabel(names=["b", "a"]), tfds.features.Scalar(np.int64)


def columns(features, supervised=None, labelled=True):
    info = SimpleNamespace(features=tfds.features.FeaturesDict(features), supervised_keys=supervised)
    return find_columns(info, "tfds:shapes", labelled)


def test_the_only_image_and_the_only_class_are_taken():
    assert columns({"picture": IMAGE, "kind": LABEL, "number": NUMBER}) == Columns("picture", "kind", ("b", "a"))


def test_of_several_those_that_tfds_names_are_taken():
    features = {"coarse": tfds.features.ClassLabel(num_classes=3), "label": LABEL, "image": IMAGE, "mask": IMAGE}
    assert columns(features, ("image", "label")) == Columns("image", "label", ("b", "a"))
    assert columns(features, ("image", "coarse")) == Columns("image", "coarse", ("0", "1", "2"))


@pytest.mark.parametrize("features, supervised", [
    ({"text": tfds.features.Text(), "label": LABEL}, ("text", "label")),
    ({"image": IMAGE, "label": NUMBER}, ("image", "label")),
    ({"image": IMAGE, "label": LABEL, "other": LABEL}, None),
    ({"image": tfds.features.Video((None, 8, 8, 3)), "label": LABEL}, None),
    ({"image": tfds.features.LabeledImage(labels=3, shape=(None, None, 1)), "label": LABEL}, None),
    ({"image": IMAGE, "objects": tfds.features.Sequence({"label": LABEL})}, None),
    ({"image": IMAGE, "labels": tfds.features.Sequence(LABEL)}, None),
])
def test_what_has_no_single_labelled_images_is_refused_with_what_it_has(features, supervised):
    with pytest.raises(DataError, match="one image and one class .* were expected") as caught:
        columns(features, supervised)
    for name, feature in features.items():
        assert f"{name} ({type(feature).__name__})" in str(caught.value)


def test_without_labels_an_image_is_enough():
    assert columns({"image": IMAGE}, labelled=False) == Columns("image", None, ())
    with pytest.raises(DataError, match="one image was expected, found label"):
        columns({"label": LABEL}, labelled=False)
