import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpt.errors import RunError
from tfpt.run_manifest import is_text, manifest_text, read_manifest

SCALARS = (st.none() | st.booleans() | st.integers(-2**63, 2**64) | st.floats(allow_nan=False, allow_infinity=False)
           | st.text())
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=3))
def test_what_is_written_is_read(tmp_path_factory, manifest):
    file = tmp_path_factory.mktemp("manifest") / "run.json"
    file.write_text(manifest_text(manifest), encoding="utf-8")
    assert read_manifest(file) == manifest


def test_numbers_are_plain_and_finite_and_paths_are_text():
    text = manifest_text({"a": np.float32(0.5), "b": [float("nan"), -np.inf], "c": np.array([1, 2]), "d": Path("x")})
    assert json.loads(text) == {"a": 0.5, "b": [None, None], "c": [1, 2], "d": "x"}


def test_a_name_that_is_not_utf8_comes_back_as_it_was(tmp_path):
    name = os.fsdecode(b"caf\xe9/\xff")
    (tmp_path / "run.json").write_text(manifest_text({"path": name, "other": "ä"}), encoding="utf-8")
    assert read_manifest(tmp_path / "run.json") == {"path": name, "other": "ä"}
    assert not is_text(name) and is_text("ä猫")


@pytest.mark.parametrize("content", ["", "{", "[1]", "\xff", "[" * 100_000, '{"a": NaN}', '{"a": [-Infinity]}',
                                     '{"a": 1' + "0" * 400 + "}", '{"a": 1' + "0" * 5000 + "}"])
def test_anything_else_is_one_clear_error(tmp_path, content):
    (tmp_path / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(RunError, match="Expected a JSON object in .*run.json"):
        read_manifest(tmp_path / "run.json")


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(RunError, match="tfpt runs"):
        read_manifest(tmp_path / "run.json")
