import io
import os
import zipfile

import numpy as np
import pytest

from tfpt.errors import RunError
from tfpt.evaluation.stored_predictions import (
    HASH_BYTES, StoredPredictions, content_hashes, read_predictions, write_predictions)
from tfpt.task import Answers

GOOD = {"probabilities": np.full((3, 2), 0.5, np.float32), "labels": np.array([0, 1, 1], np.int32),
        "content": np.arange(3 * HASH_BYTES, dtype=np.uint8).reshape(3, HASH_BYTES),
        "trained_on": np.zeros((0, HASH_BYTES), np.uint8)}


class Source:
    def __init__(self, hashes):
        self.hashes = hashes

    def __len__(self):
        return len(self.hashes)

    def content_hash(self, index):
        return self.hashes[index]


def test_what_is_written_is_read(tmp_path):
    answers = Answers(GOOD["probabilities"], GOOD["labels"])
    write_predictions(StoredPredictions(answers, GOOD["content"], GOOD["trained_on"]), tmp_path / "it.npz")
    found = read_predictions(tmp_path / "it.npz")
    read = {**vars(found.answers), "content": found.content, "trained_on": found.trained_on}
    for name, array in GOOD.items():
        np.testing.assert_array_equal(read[name], array)
    assert read_predictions(tmp_path / "none.npz") is None


def test_hashes_are_the_first_bytes_of_the_examples():
    hashes = content_hashes(Source(["00ff" + "0" * 60, "a" * 64]))
    assert hashes.shape == (2, HASH_BYTES) and list(hashes[0, :3]) == [0, 255, 0] and (hashes[1] == 0xaa).all()
    assert content_hashes(Source([])).shape == (0, HASH_BYTES)


def test_arrays_may_not_be_missing(tmp_path):
    np.savez(tmp_path / "it.npz", probabilities=GOOD["probabilities"])
    with pytest.raises(RunError, match="trained_on"):
        read_predictions(tmp_path / "it.npz")


@pytest.mark.parametrize("change, words", [
    ({"labels": np.array([0, 1, 2], np.int32)}, "labels are no classes"),
    ({"labels": np.array([0, 1], np.int32)}, r"labels is int32 \[2\]"),
    ({"labels": np.zeros(3)}, "float64"),
    ({"probabilities": np.full((3, 2), np.nan, np.float32)}, "aren't finite"),
    ({"probabilities": np.zeros(3, np.float32)}, "unpack"),
    ({"content": np.zeros((3, 5), np.uint8)}, "content"),
    ({"labels": np.array([None] * 3)}, "allow_pickle"), ({"labels": np.zeros((), np.int32)}, "labels"),
    ({"probabilities": np.zeros((0, 2), np.float32), "labels": np.zeros(0, np.int32), "content": np.zeros(
        (0, HASH_BYTES), np.uint8)}, "no examples")])
def test_arrays_that_do_not_fit_are_refused(tmp_path, change, words):
    np.savez(tmp_path / "it.npz", **{**GOOD, **change})
    with pytest.raises(RunError, match=f"it.npz.*{words}.*tfpt evaluate"):
        read_predictions(tmp_path / "it.npz")


def test_other_files_are_refused(tmp_path):
    file = tmp_path / "it.npz"
    compressed = io.BytesIO()
    np.savez_compressed(compressed, **GOOD)
    huge = io.BytesIO()
    with zipfile.ZipFile(huge, "w") as members:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**13, 2)})
        members.writestr("probabilities.npy", header.getvalue())
    for content, words in ((compressed.getvalue(), "compressed"), (b"no zip", "npz"), (b"", "npz"),
                           (huge.getvalue(), "npz")):
        file.write_bytes(content)
        with pytest.raises(RunError, match=words):
            read_predictions(file)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(RunError, match="it is no file"):
        read_predictions(file)


def test_a_flipped_byte_anywhere_is_refused_if_it_can_be_told(tmp_path):
    file = tmp_path / "it.npz"
    np.savez(file, **GOOD)
    content, refused = file.read_bytes(), set()
    for place in range(len(content)):
        for flipped in (0x01, 0x41, 0xff):
            file.write_bytes(content[:place] + bytes([content[place] ^ flipped]) + content[place + 1:])
            try:
                read_predictions(file)
            except RunError as error:
                refused.add(type(error.__cause__))
    assert {zipfile.BadZipFile, NotImplementedError, RuntimeError} <= refused  # the last two: zip's version, encryption


@pytest.mark.parametrize("header", ["(" * 20, "(" * 9000, "{'descr': '<f4', 'fortran_order': False, 'shape': (10**9)}",
                                    f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({'9' * 30},)}}", "1L + 'x"])
def test_headers_that_are_none_are_refused(tmp_path, header):
    text = header.encode().ljust(63) + b"\n"
    with zipfile.ZipFile(tmp_path / "it.npz", "w") as members:
        members.writestr("probabilities.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(RunError, match="it.npz"):
        read_predictions(tmp_path / "it.npz")


def test_members_that_are_no_arrays_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "it.npz", "w") as members:
        members.writestr("probabilities", b"no array")
    with pytest.raises(RunError, match="it.npz"):
        read_predictions(tmp_path / "it.npz")
