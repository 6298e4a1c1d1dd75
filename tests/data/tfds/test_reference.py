import pytest

from tfpt.data.tfds.reference import Reference, is_reference, read_reference
from tfpt.errors import DataError


@pytest.mark.parametrize("text, parts", [
    ("mnist", ("mnist", None, None, None)),
    ("mnist:3.0.1", ("mnist", None, "3.0.1", None)),
    ("mnist:3.*.*@test", ("mnist", None, "3.*.*", "test")),
    ("cifar10_corrupted:blur_1", ("cifar10_corrupted", "blur_1", None, None)),
    ("cifar10_corrupted/blur_1:1.0.0@test[:10%]", ("cifar10_corrupted", "blur_1", "1.0.0", "test[:10%]")),
    ("mnist@train[5:10]+test", ("mnist", None, None, "train[5:10]+test")),
    ("ImageFolder@train", ("image_folder", None, None, "train")),
])
def test_a_reference_is_taken_apart(text, parts):
    assert read_reference(f"tfds:{text}") == Reference(f"tfds:{text}", *parts)


@pytest.mark.parametrize("text", ["", "mnist@", "a b", "a:b:c", "../mnist", "mnist:", "@train"])
def test_another_form_is_refused(text):
    with pytest.raises(DataError, match=r"names no data set: tfds:NAME.* was expected"):
        read_reference(f"tfds:{text}")


def test_only_what_begins_so_is_one():
    assert is_reference("tfds:mnist") and not is_reference("photos/tfds:mnist")
