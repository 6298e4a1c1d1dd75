import os

import numpy as np
import pytest
import tensorflow as tf

from tfpt.data.encoded_files import EncodedFiles


def test_files_are_read_by_python_and_by_tensorflow_alike(tmp_path):
    paths = [os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/a", b"/\xff")]  # not all names are UTF-8
    for number, path in enumerate(paths):
        with open(path, "wb") as stream:
            stream.write(bytes([number]))
    files = EncodedFiles(paths)
    rows = tf.data.Dataset.from_tensor_slices({"file": files.column(np.array([1, 0, 1]))})
    found = [files.contents(row["file"]).numpy() for row in files.rows(rows, "file")]
    assert found == [files.read(1), files.read(0), files.read(1)] == [b"\1", b"\0", b"\1"]
    assert len(files) == 2
    os.unlink(paths[0])
    with pytest.raises(FileNotFoundError):
        files.read(0)
