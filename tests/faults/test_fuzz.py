"""Whatever stands in a recipe, a CSV, a run.json or an image: it is read, or refused in one paragraph. Seeded."""

import contextlib
import copy
import io
import json
import math
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.image_files import save_photo
from tests.faults import bad_files
from tests.faults.outcomes import is_one_paragraph
from tests.workflows.finished_runs import write_pictures, write_run
from tfpt.cli import main
from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.loading import field_names, load_config, recipe_search
from tfpt.config.writing import to_yaml
from tfpt.data.check import check_images
from tfpt.data.decode import decode_and_resize, decode_image
from tfpt.data.file_check import FileRequest, file_checker
from tfpt.data.graph_decoder import UNDECODABLE
from tfpt.data.header import BrokenImage
from tfpt.data.layouts import read_layout
from tfpt.data.listing import ListedImages
from tfpt.data.normalise import to_rgb
from tfpt.errors import ConfigError, DataError

SEEDED = {"derandomize": True, "database": None, "deadline": None,
          "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}
COUNTS = {"recipes": 0, "assignments": 0, "CSVs": 0, "run.json files": 0, "images": 0}


@pytest.fixture(scope="module", autouse=True)
def count_told(request):
    """What was tried, after the last test."""
    yield
    tried = ", ".join(f"{count:,} {what}" for what, count in COUNTS.items())
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nfuzzed: {tried}")


def joined(words: list[str], most: int) -> st.SearchStrategy[str]:
    """Words of a language in any order, among any text."""
    return st.lists(st.sampled_from(words) | st.text(max_size=3), max_size=most).map("".join)


NAMES = list(field_names(ImageClassificationConfig))
VALUES = ["3", "-1", "0.5", ".nan", "-.inf", "1e999", "9" * 400, "9" * 5000, "true", "null", "~", "no", "''", '"\\0"',
          '"\\ud800"', "[1, 2]", "[[]]", "{}", "{a: 1}", "2024-01-01", "0x1F", "bundled:digits", "*a", "&a 1", "<<"]
YAML = ["{", "}", "[", "]", ": ", ", ", "\n", "  ", "\n  ", "\t", "- ", "? ", "---\n", "...", "'", '"', "|\n", ">-\n",
        "# ", "%YAML 9.9\n", "!!python/name:os.system ", "!!int ", "!x ", "&a ", "*a ", "<<: ", "\0", "\ufeff", "\x85",
        *VALUES, *(part for name in NAMES for part in name.split(".")), "search"]
SECTIONS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=4).map(
    lambda values: "".join(f"{name.partition('.')[0]}: {{{name.partition('.')[2]}: {value}}}\n"
                           for name, value in values.items()))
RECIPES = st.binary(max_size=60) | (SECTIONS | joined(YAML, 12)).map(str.encode)
ASSIGNMENTS = st.lists(st.tuples(st.sampled_from(NAMES) | joined(NAMES, 2), st.sampled_from(VALUES) | joined(YAML, 4))
                       .map("=".join) | joined(YAML, 4), max_size=3)


@settings(max_examples=500, **SEEDED)
@given(RECIPES, ASSIGNMENTS)
def test_any_recipe_and_assignments(tmp_path, recipe, assignments):
    path = tmp_path / "mine.yaml"
    path.write_bytes(recipe)
    COUNTS["recipes"] += 1
    COUNTS["assignments"] += len(assignments)
    try:
        config = load_config(ImageClassificationConfig, recipe=path, assignments=assignments, with_search=True)
        recipe_search(path)
    except ConfigError as refused:
        assert str(refused)
        return
    path.write_text(to_yaml(config), encoding="utf-8")
    assert load_config(ImageClassificationConfig, recipe=path) == config


CSV = ["path", "label", "split", ",", ",", ",", "\n", "\n", "\r\n", "\r", '"', '""', ";", " ", "\t", "\0", "\x85",
       "\ufeff", "im/0.png", "im/1.png", "im", "..", "/dev/null", "~", "a", "b", "猫", "x" * 300, "im/0.png,a\n",
       "im/1.png,b\n"]
HEADS = ["", "path,label\n", "label,path,split\n", "\ufeffpath,label\r\n"]


@settings(max_examples=500, **SEEDED)
@given(st.sampled_from(HEADS), joined(CSV, 12), st.binary(max_size=4))
def test_any_csv(tmp_path, head, content, end):
    for number in range(2):
        if not (image := tmp_path / "im" / f"{number}.png").exists():
            save_photo(image, number)
    path = tmp_path / "list.csv"
    path.write_bytes((head + content).encode() + end)
    COUNTS["CSVs"] += 1
    try:
        listing = read_layout(str(path))
    except DataError as refused:
        assert str(refused).count("\n") == 0
        return
    images = listing.parts["all"]
    assert len(images) == len(images.labels) == len(images.paths) > 0
    assert sorted({listing.class_names[label] for label in images.labels}) == sorted(listing.class_names)
    assert all(name == name.strip() and len(name.splitlines()) == 1 for name in listing.class_names)
    assert all(os.path.isfile(path) for path in images.paths)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(
    [10**400, -1, 2**32, "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "\ud800", "finished", "running"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5)
COMMANDS = (["runs"], ["runs", "--json"], ["evaluate", "run-0001", "--json"],
            ["predict", "run-0001", "new.png", "--json"],
            ["finetune-image", "--resume", "--run-dir", "runs/run-0001", "--dry-run"])


CACHE = {"cuts": [{"name": "block_15_add", "places": [[142, 0]], "values": 56, "saved": 0.7, "ahead": False}],
         "phases": [0], "where": "memory", "kept": False, "rows": 16, "dtype": "float16", "bytes": 1792, "why": "",
         "lasting": False}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a JSON value something can be changed."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in [path + (key,), *places(inner, path + (key,))]]


@pytest.fixture(scope="module")
def a_run(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("fuzzed")
    write_pictures(root / "pictures")
    save_photo(root / "new.png")
    run = write_run(root / "runs" / "run-0001", root / "pictures")
    run.update_manifest(began="2026-01-02T03:04:05+00:00", phases=[{"from_epoch": 1, "unfreeze": 0}],
                        metrics={"test": {"accuracy": 0.5}}, cache=CACHE, why=None)
    return root


@settings(max_examples=150, **SEEDED)
@given(st.data())
def test_any_run_json(a_run, monkeypatch, data):
    monkeypatch.chdir(a_run)
    file = Path("runs/run-0001/run.json")
    whole = Path("whole.json")
    if not whole.exists():
        whole.write_bytes(file.read_bytes())
    file.write_bytes(data.draw(changed_record(json.loads(whole.read_text())) | st.binary(max_size=20)))
    command = data.draw(st.sampled_from(COMMANDS))
    COUNTS["run.json files"] += 1
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = main(command)
    assert code in ((0,) if command[0] == "runs" else (0, 2)), errors.getvalue()
    assert (code == 0) or is_one_paragraph(errors.getvalue().splitlines(True)[-1]), errors.getvalue()
    if code == 0 and "--json" in command:
        json.loads(output.getvalue(), parse_constant=math.fsum)  # NaN, which isn't JSON, raises there


@st.composite
def changed_record(draw: Any, record: dict[str, Any]) -> bytes:
    """One to three things in it taken out or exchanged, and perhaps its end cut off."""
    for _ in range(draw(st.integers(1, 3))):
        found = places(record)
        if not found:
            break
        *path, last = draw(st.sampled_from(found))
        inner = record
        for key in path:
            inner = inner[key]
        if draw(st.booleans()):
            inner[last] = copy.deepcopy(draw(JSON))
        else:
            del inner[last]
    text = json.dumps(record).encode()
    return text[:draw(st.integers(0, len(text)))] if draw(st.integers(0, 9)) == 0 else text


KINDS = [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("BMP", {}), ("GIF", {}), ("WEBP", {}),
         ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {"compression": "jpeg"})]
WHOLE = [bad_files.encoded(bad_files.picture(700 + number, 9, 12), kind, **options)
         for number, (kind, options) in enumerate(KINDS)]
WHOLE += [bad_files.animated(1, "GIF")[:3000], bad_files.turned(2, 6), bad_files.bomb("BMP"), bad_files.bomb("GIF")]


@st.composite
def changed_file(draw: Any) -> bytes:
    """An image with bytes exchanged, most of them in its header, pieces taken out or put in, or its end cut off."""
    content = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, min(len(content), draw(st.sampled_from([30, 200, 10**6])))))
        length = draw(st.integers(0, 8))
        content[start:start + length] = draw(st.binary(min_size=length, max_size=length) | st.binary(max_size=8))
    return bytes(content[:draw(st.integers(0, len(content)))] if draw(st.integers(0, 4)) == 0 else content)


def decode_here(contents: bytes) -> bytes:
    """What a worker decodes by, in this process."""
    try:
        return decode_and_resize(tf.constant(contents), 8).numpy().tobytes()
    except tf.errors.InvalidArgumentError as error:
        raise BrokenImage(UNDECODABLE) from error


@settings(max_examples=75, **SEEDED)
@given(st.lists(st.tuples(changed_file(), st.sampled_from(["jpg", "png", "gif", "tif"])), min_size=8, max_size=12),
       st.sampled_from([0, 10]))
def test_any_image(tmp_path, capfd, contents, memory_mb):
    paths = [str(tmp_path / f"{number}.{extension}") for number, (_, extension) in enumerate(contents)]
    for path, (content, _) in zip(paths, contents):
        Path(path).write_bytes(content)
    COUNTS["images"] += len(paths)
    listed = ListedImages(tuple(paths), np.arange(len(paths), dtype=np.int32), paths=tuple(paths))
    checked = check_images(listed, 8, memory_mb)
    assert capfd.readouterr() == ("", "")
    assert sorted([*checked.source.names, *(item.path for item in checked.broken)]) == sorted(paths)
    assert all(item.why and len(item.why) < 100 for item in checked.broken)
    broken = {item.path: item.why for item in checked.broken}
    places = {name: place for place, name in enumerate(checked.source.names)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in paths:
            file, pixels = file_checker(decode_here)(FileRequest(name))
            assert file.broken_because == broken.get(name)
            if name in places:
                assert checked.source.hashes[places[name]] == file.content_hash
                assert not memory_mb or checked.source.held[places[name]].tobytes() == pixels
                with Image.open(name) as image:
                    expected = np.asarray(to_rgb(image))
                assert np.array_equal(decode_image(tf.io.read_file(checked.source.paths[places[name]])), expected)
    capfd.readouterr()  # libraries in C tell of damaged files
