"""``--data tfds:NAME`` as a user types it: real processes, which end at once if they ask the network for anything."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.data.image_files import encoded
from tests.data.tfds.prepared_sets import pictures, prepare
from tests.workflows.finished_runs import CLASSES, write_pictures, write_run
from tfpt.errors import DataError, UsageError
from tfpt.workflows.evaluate import evaluate
from tfpt.workflows.export import export_run
from tfpt.workflows.image_training import finetune_image
from tfpt.workflows.predict import predict

REPOSITORY = Path(__file__).resolve().parents[2]
ASKED_THE_NETWORK = 99
GUARDED = f"""import os, sys
sys.path.insert(0, {str(REPOSITORY)!r})
def guard(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "urllib.Request"):
        os.write(2, f"network: {{event}} {{arguments}}".encode())
        os._exit({ASKED_THE_NETWORK})
sys.addaudithook(guard)
from tfpt.cli import main
sys.exit(main(sys.argv[1:]))
"""
SMALL = ("--weights", "bundled", "--unfreeze", "0", "--epochs", "1")


def tfpt(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", GUARDED, *arguments], cwd=folder, capture_output=True, text=True,
                          timeout=300)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """``sets/`` with ``levels`` (dark and light pictures, other ones in train and test), and a run that tells them."""
    folder = tmp_path_factory.mktemp("work")
    random = np.random.default_rng(7)
    examples = [{"image": encoded(np.clip(random.normal(level, 20, (30, 40, 3)), 0, 255).astype(np.uint8), "PNG"),
                 "label": kind} for _ in range(12) for kind, level in enumerate(CLASSES.values())]
    prepare(folder / "sets", {"train": examples[:18], "test": examples[18:]}, name="levels", kinds=tuple(CLASSES))
    prepare(folder / "sets", {"a": pictures(9), "b": pictures(9, 50)}, name="shapes", file_format="array_record")
    write_pictures(folder / "pictures")
    write_run(folder / "runs" / "pictures-0001", folder / "pictures")
    return folder


def test_training_and_measuring_again(workplace, monkeypatch):
    done = tfpt(workplace, "finetune-image", "--data", "tfds:levels", "--data-dir", "sets", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "tfds:levels:1.2.0 · 2 classes · 24 images: 16 train, 2 validation, 6 test" in done.stderr
    record = json.loads((workplace / "runs" / "levels-0001" / "run.json").read_text())
    assert record["data"]["test"] == 6 and record["metadata"]["class_names"] == list(CLASSES)
    monkeypatch.chdir(workplace)
    assert evaluate("levels-0001")["accuracy"] == record["metrics"]["test"]["accuracy"]


def test_another_set_measures_a_run_of_folders(workplace):
    done = tfpt(workplace, "evaluate", "pictures-0001", "--data", "tfds:levels@test", "--data-dir", "sets", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["accuracy"] == 1.0 and report["data"] == "tfds:levels@test"
    assert re.fullmatch(r"tfds-levels-test-[0-9a-f]{8}\.json", Path(report["where"]).name)
    assert sum(map(sum, report["confusion_matrix"])) == 6


def test_a_set_is_predicted_example_by_example(workplace):
    done = tfpt(workplace, "predict", "pictures-0001", "tfds:levels@test", "--data-dir", "sets", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["input"] for line in lines] == [f"levels/test[{number}]" for number in range(6)]
    assert sorted(line["label"] for line in lines) == ["dark"] * 3 + ["light"] * 3


def test_a_set_that_has_moved_since_is_found_where_it_is_now(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    small = dict(data="tfds:levels", weights="bundled", unfreeze=0, quiet=True, run_dir="runs/moved")
    finetune_image(data_dir="sets", epochs=1, **small)
    (workplace / "sets").rename(workplace / "elsewhere")
    try:
        with pytest.raises(DataError, match="sets"):
            evaluate("moved")
        assert export_run("moved", data_dir="elsewhere", quiet=True)["checked"]["examples"] == 6
        run = finetune_image(data_dir="elsewhere", epochs=2, resume=True, **small)
        assert run.manifest()["status"] == "finished" and evaluate("moved")["data"] == "test"
    finally:
        (workplace / "elsewhere").rename(workplace / "sets")


def test_a_set_that_is_predicted_needs_no_split(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    names = {line["input"] for line in predict("pictures-0001", "tfds:shapes", data_dir="sets")}
    assert names == {f"shapes/{split}[{number}]" for split in "ab" for number in range(9)}


def test_what_is_not_prepared_is_told_at_once_and_the_network_is_not_asked(workplace):
    began = time.monotonic()
    done = tfpt(workplace, "finetune-image", "--data", "tfds:mnist", "--data-dir", "sets")
    assert done.returncode == 2, done.stderr
    assert f"tfpt: mnist isn't prepared in {workplace}/sets, and tfpt downloads nothing." in done.stderr
    assert done.stderr.endswith("Prepared there: levels, shapes.\n") and "Traceback" not in done.stderr
    assert time.monotonic() - began < 60  # TFDS, asked to download without a network, tries for minutes
    assert sorted(path.name for path in (workplace / "sets").iterdir()) == ["downloads", "levels", "shapes"]


@pytest.mark.parametrize("call, words", [
    (lambda: evaluate("pictures-0001", data="tfds:shapes@a", data_dir="sets"), "the model doesn't know the class"),
    (lambda: evaluate("pictures-0001", data="pictures", data_dir="sets"), "Name one of those as tfds:NAME"),
    (lambda: evaluate("pictures-0001", data_dir="sets"), "Name one of those as tfds:NAME"),
    (lambda: predict("pictures-0001", "pictures", data_dir="sets"), "Name one of those as tfds:NAME"),
    (lambda: predict("pictures-0001", ["tfds:levels", "pictures"], data_dir="sets"), "goes alone; found 2 inputs"),
    (lambda: predict("pictures-0001", ["tfds:levels"], data_dir="nowhere"), "is nowhere, which is no folder"),
])
def test_a_finished_run_refuses_data_that_can_not_be(workplace, monkeypatch, call, words):
    monkeypatch.chdir(workplace)
    with pytest.raises(UsageError, match=words):
        call()
