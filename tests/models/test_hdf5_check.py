import h5py
import numpy as np
import pytest

from tfpt.models.hdf5_check import MOST_EXPANSION, SPARE_BYTES, Stored, checked_datasets


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as opened:
        yield opened


def test_plain_weights_pass_each_once(file):
    file["layers/a/vars/0"] = np.zeros((3, 4), np.float32)
    file["layers/a/vars/1"] = np.zeros((), np.int64)
    file["again"] = file["layers/a"]
    file["layers/a/up"] = file["layers"]
    assert sorted(checked_datasets(file, 1)) == [Stored((), 8), Stored((3, 4), 48)]


def test_compressed_weights_pass(file):
    file.create_dataset("0", data=np.zeros(2**20, np.float32), compression="gzip")
    assert checked_datasets(file, 2**12) == [Stored((2**20,), 2**22)]


@pytest.mark.parametrize("file_bytes, passes", [(2**20, True), (2**20 - 1, False)])
def test_the_limit_is_by_the_size_of_the_file(file, file_bytes, passes):
    numbers = SPARE_BYTES + MOST_EXPANSION * 2**20
    file.create_dataset("0", (numbers // 2,), "u1", chunks=(2**10,))
    file.create_dataset("1", (numbers // 2,), "u1", chunks=(2**10,))
    if passes:
        assert len(checked_datasets(file, file_bytes)) == 2
    else:
        with pytest.raises(ValueError, match=f"claim {numbers:,} bytes, and the file .* has {file_bytes:,}"):
            checked_datasets(file, file_bytes)


def test_a_chunk_counts_as_a_whole(file):
    file.create_dataset("0", (1,), "u1", maxshape=(None,), chunks=(2**27,))
    with pytest.raises(ValueError, match="claim 134,217,728 bytes"):
        checked_datasets(file, 2**10)


@pytest.mark.parametrize("put, reason", [
    (lambda file: file.create_dataset("0", (4,), "f4", external=[("other", 0, 16)]), "stand in another file"),
    (lambda file: file.__setitem__("0", h5py.ExternalLink("other.h5", "/")), "a link"),
    (lambda file: file.__setitem__("0", h5py.SoftLink("/layers")), "a link"),
    (lambda file: file.__setitem__("0", np.dtype("f4")), "not an array"),
    (lambda file: file.create_dataset("0", data=["a"]), "not an array of numbers"),
    (lambda file: file.create_dataset("0", data=np.zeros(2, [("a", "f4")])), "not an array of numbers"),
    (lambda file: file.create_dataset("0", data=h5py.Empty("f4")), "not an array of numbers"),
], ids=["external", "external link", "soft link", "type", "text", "records", "empty"])
def test_what_is_refused(file, put, reason):
    put(file)
    with pytest.raises(ValueError, match=reason):
        checked_datasets(file, 2**20)
