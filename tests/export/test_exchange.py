import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfpt.export import exchange
from tfpt.export.exchange import read_batches, write_batches

NUMBERS = hnp.arrays(
    st.sampled_from(["?", "i1", "u1", "<i2", "<i4", ">i4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
TEXTS = st.lists(st.binary(max_size=20), max_size=5)
BATCHES = st.lists(st.dictionaries(st.text(max_size=8), NUMBERS | TEXTS, max_size=3), max_size=4)


@settings(deadline=None)
@given(BATCHES)
def test_what_was_written_is_read(tmp_path_factory, batches):
    path = tmp_path_factory.mktemp("exchange") / "batches"
    write_batches(path, iter(batches))
    read = list(read_batches(path))
    assert [list(batch) for batch in read] == [list(batch) for batch in batches]
    for found, written in zip(read, batches):
        for name, values in written.items():
            if isinstance(values, list):
                assert found[name].dtype == object and found[name].tolist() == values
            else:
                assert found[name].dtype == values.dtype.newbyteorder("=") and found[name].shape == values.shape
                assert found[name].tobytes() == values.astype(found[name].dtype).tobytes()


def test_texts_keep_their_shape_and_their_zero_bytes(tmp_path):
    labels = np.array([[b"a\0", b""], [b"\0b", b"c\0\0"]], object)
    write_batches(tmp_path / "batches", [{"labels": labels, "short": np.array([b"xy", b"z"])}])
    [read] = read_batches(tmp_path / "batches")
    assert read["labels"].tolist() == labels.tolist() and read["short"].tolist() == [b"xy", b"z"]


def test_only_one_batch_is_in_memory(tmp_path):
    alive = []

    def batches():
        for number in range(3):
            path = tmp_path / "batches"
            alive.append(path.stat().st_size if path.exists() else 0)
            yield {"numbers": np.full(1000, number)}

    write_batches(tmp_path / "batches", batches())
    assert 0 == alive[0] < alive[1] < alive[2]
    reader = read_batches(tmp_path / "batches")
    assert next(reader)["numbers"][0] == 0
    with open(tmp_path / "batches", "r+b") as file:
        file.truncate(alive[2])
    assert next(reader)["numbers"][0] == 1
    assert list(reader) == []


@pytest.mark.parametrize("values, message", [
    ([b"a", "b"], "holds str"), ([1.0], "holds float"), (np.array(["a"]), "array of <U1"),
    (np.zeros(1, [("a", "f4")]), "array of")])
def test_what_is_neither_bytes_nor_numbers_is_refused(tmp_path, values, message):
    with pytest.raises(TypeError, match=f"pixels .*{message}"):
        write_batches(tmp_path / "batches", [{"pixels": values}])


def test_every_cut_is_noticed(tmp_path):
    path = tmp_path / "batches"
    write_batches(path, [{"texts": [b"abc"], "numbers": np.arange(2)}])
    whole = path.read_bytes()
    for size in range(1, len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError):
            list(read_batches(path))


def test_it_loads_by_its_path_without_tfpt():
    code = ("import importlib.util, sys; spec = importlib.util.spec_from_file_location('exchange', sys.argv[1]); "
            "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module); "
            "print(sorted({name.split('.')[0] for name in sys.modules} & {'tfpt', 'keras', 'tensorflow'}))")
    done = subprocess.run([sys.executable, "-P", "-c", code, str(Path(exchange.__file__))], capture_output=True,
                          text=True)
    assert done.stdout.strip() == "[]", done.stderr
