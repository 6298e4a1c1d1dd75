import gzip
import struct

import numpy as np
import pytest

from tfpt.data.idx import holds_idx, is_idx_images, read_idx_file, read_idx_folder
from tfpt.errors import DataError


def write_pair(folder, prefix, count=4, size=3, labels=None, gz=False, dash="-"):
    pixels = np.random.default_rng(count).integers(0, 256, (count, size, size)).astype(np.uint8)
    labels = np.arange(count, dtype=np.uint8) % 2 * 7 if labels is None else np.array(labels, np.uint8)
    write(folder / f"{prefix}-images{dash}idx3-ubyte", struct.pack(">4I", 0x803, count, size, size), pixels, gz)
    write(folder / f"{prefix}-labels{dash}idx1-ubyte", struct.pack(">2I", 0x801, len(labels)), labels, gz)
    return pixels


def write(path, header, values, gz):
    content = header + values.tobytes()
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(content)) if gz else path.write_bytes(content)


@pytest.mark.parametrize("gz", [False, True])
def test_a_folder_with_its_own_split(tmp_path, gz):
    train = write_pair(tmp_path, "train", 4, gz=gz)
    test = write_pair(tmp_path, "t10k", 2, gz=gz)
    assert holds_idx(str(tmp_path))
    listing = read_idx_folder(str(tmp_path))
    assert listing.class_names == ("0", "7")
    assert np.array_equal(listing.parts["train"].pixels[..., 0], train)
    assert np.array_equal(listing.parts["test"].pixels[..., 0], test)
    assert listing.parts["train"].labels.tolist() == [0, 1, 0, 1]
    assert listing.parts["test"].names == ("t10k-images[0]", "t10k-images[1]")


def test_one_file_and_the_other_spelling(tmp_path):
    pixels = write_pair(tmp_path, "letters", 3, dash=".", gz=True)
    path = tmp_path / "letters-images.idx3-ubyte.gz"
    assert is_idx_images(str(path)) and not is_idx_images("letters-labels.idx1-ubyte")
    for listing in (read_idx_file(str(path)), read_idx_folder(str(tmp_path))):
        assert list(listing.parts) == ["all"]
        assert np.array_equal(listing.parts["all"].pixels[..., 0], pixels)


def test_labels_may_be_zipped_where_images_are_not(tmp_path):
    write_pair(tmp_path, "train")
    labels = tmp_path / "train-labels-idx1-ubyte"
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels.read_bytes()))
    labels.unlink()
    assert len(read_idx_folder(str(tmp_path)).parts["all"]) == 4


def damage(folder, case):
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    if case == "no labels":
        labels.unlink()
    elif case == "counts":
        write_pair(folder, "train", labels=[1, 2, 3])
    elif case == "swapped":
        images.write_bytes(labels.read_bytes())
    elif case == "short":
        images.write_bytes(images.read_bytes()[:-1])
    elif case == "long":
        images.write_bytes(images.read_bytes() + b"x")
    elif case == "empty":
        images.write_bytes(b"")
    elif case == "no images":
        images.write_bytes(struct.pack(">4I", 0x803, 0, 28, 28))
    elif case == "huge":
        images.write_bytes(struct.pack(">4I", 0x803, 2**31, 9000, 9000) + b"x")
    elif case == "huge sides":
        images.write_bytes(struct.pack(">4I", 0x803, 1, 2**31, 2**31) + b"x")
    elif case == "gzip":
        (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images.read_bytes())[:-9])
        images.unlink()
    elif case == "parts":
        write_pair(folder, "other")


@pytest.mark.parametrize("case, message", [
    ("no labels", r"has no labels: train-labels-idx1-ubyte \(or .*\.gz\) was expected beside it"),
    ("counts", "has 4 images and .* has 3 labels"),
    ("swapped", "doesn't begin as idx images .*: bytes 00000803 were expected, found 00000801"),
    ("short", "announces 36 bytes, and 35 follow"), ("long", "announces 36 bytes, and more follow"),
    ("empty", "found nothing"), ("no images", "announces 0 of 28 x 28"),
    ("huge", r"announces 173,946,175,488,000,000 bytes, and 1 follow"), ("huge sides", "announces 1 of 2147483648"),
    ("gzip", "is not a whole gzip file"), ("parts", "holds the idx images other, train; train and t10k")])
def test_bad_files(tmp_path, case, message):
    write_pair(tmp_path, "train")
    damage(tmp_path, case)
    with pytest.raises(DataError, match=message):
        read_idx_folder(str(tmp_path))
