"""Asking exported files in their own runtimes, and saying what must be installed for it."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.networks import difference
from tfpt.errors import CheckFailed, ExportError
from tfpt.export.litert_format import write_litert
from tfpt.export.onnx_format import write_onnx
from tfpt.export.runtimes import ask_litert, ask_onnx, require

ASKED = {"onnx": ask_onnx, "litert": ask_litert}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_onnx(difference(), folder / "onnx")
    write_litert(difference(), folder / "litert")
    return {name: folder / name for name in ASKED}


@pytest.mark.parametrize("name", ASKED)
@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_batches_of_any_sizes_are_joined_in_order(files, name, sizes):
    rows = np.arange(3 * sum(sizes), dtype=np.float32).reshape(-1, 3)
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    answers = ASKED[name](files[name], ({"minuend": part, "subtrahend": part / 2} for part in parts))
    assert list(answers) == ["result"]
    np.testing.assert_array_equal(answers["result"], rows / 2)


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("content", [b"", b"not a network", None])
def test_a_file_that_cannot_be_opened(files, name, content, tmp_path, capfd):
    path = tmp_path / "network"
    path.write_bytes(files[name].read_bytes()[:-100] if content is None else content)
    with pytest.raises(CheckFailed, match=str(path)):
        ASKED[name](path, [{"minuend": np.ones((1, 3), np.float32), "subtrahend": np.ones((1, 3), np.float32)}])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ASKED)
def test_inputs_that_do_not_fit(files, name):
    rows = np.ones((1, 3), np.float32)
    for wrong in ({"minuend": rows, "subtrahend": rows.astype(np.float64)}, {"minuend": rows, "other": rows}):
        with pytest.raises(CheckFailed, match="can run"):
            ASKED[name](files[name], [wrong])


@pytest.mark.parametrize("name", ASKED)
def test_an_error_of_the_inputs_is_not_the_files(files, name):
    def broken():
        raise KeyError("an example")
        yield

    with pytest.raises(KeyError):
        ASKED[name](files[name], broken())


@pytest.mark.parametrize("name", ASKED)
def test_it_is_quiet_and_needs_no_tensorflow(files, name):
    code = (f"import sys, numpy as np; from pathlib import Path; from tfpt.export.runtimes import ask_{name} as ask\n"
            f"rows = np.ones((2, 3), np.float32)\n"
            f"assert ask(Path({str(files[name])!r}), [dict(minuend=rows, subtrahend=rows)])['result'].sum() == 0\n"
            f"assert 'tensorflow' not in sys.modules\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize("format_name, module, package", [
    ("onnx", "onnx", "onnx"), ("onnx", "onnxruntime", "onnxruntime"), ("onnx", "tf2onnx", "tf2onnx"),
    ("litert", "ai_edge_litert", "ai-edge-litert")])
def test_a_missing_package_is_named_with_the_command(format_name, module, package, monkeypatch):
    require(format_name)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else found(name))
    with pytest.raises(ExportError) as caught:
        require(format_name)
    assert f"needs {package}, which" in str(caught.value)
    assert str(caught.value).endswith(f"pip install 'tfpt[{format_name}]'")


def test_a_process_without_the_packages():
    code = """
import sys
blocked = {"onnxruntime", "tf2onnx", "ai_edge_litert"}
class Finder:
    def find_spec(self, name, path=None, target=None):
        return None if name in blocked else original(name, path, target)
sys.path_hooks, original = list(sys.path_hooks), None
from importlib.machinery import PathFinder
original = PathFinder.find_spec
sys.meta_path = [finder for finder in sys.meta_path if finder is not PathFinder] + [Finder()]
from tfpt.errors import ExportError
from tfpt.export.runtimes import require
require("saved_model")
for name in ("onnx", "litert"):
    try:
        require(name)
    except ExportError as error:
        print(error)
"""
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.splitlines()
    assert lines[0].startswith("--format onnx needs onnxruntime, tf2onnx, which")
    assert lines[1].startswith("--format litert needs ai-edge-litert, which")


def test_requiring_imports_nothing():
    code = ("import sys; from tfpt.export.runtimes import require; require('onnx'); require('litert')\n"
            "assert not {'onnx', 'onnxruntime', 'tf2onnx', 'ai_edge_litert', 'tensorflow'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)
