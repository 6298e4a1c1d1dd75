"""A cache folder that something else wrote to: what it holds is ignored or removed, and nothing of it is run."""

import json
import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import hostile_files as make
from tests.faults.hostile_process import Worker
from tests.faults.refusals import assert_nothing_ran
from tests.workflows.finished_runs import write_pictures

PLAN = ("finetune-image", "--data", "pictures", "--weights", "none", "--alpha", "0.35", "--image-size", "32",
        "--unfreeze", "10", "--dry-run")


@pytest.fixture(scope="module")
def used(tmp_path_factory) -> Path:
    """A folder with pictures, old enough to be remembered as checked."""
    folder = tmp_path_factory.mktemp("pictures") / "here"
    write_pictures(folder / "pictures")
    time.sleep(2.1)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def worker(cache) -> Iterator[Worker]:
    process = Worker(cache)
    yield process
    process.close()


@pytest.fixture(scope="module")
def filled(worker, used, cache, tmp_path_factory) -> tuple[Path, str]:
    """A copy of the cache after a dry run, which fills it with its notes, and what that run said."""
    answer = worker.run(used, *PLAN)
    assert answer.code == 0, answer.stderr
    assert list((cache / "checked").iterdir()) and list((cache / "prefix_costs").iterdir())
    return Path(shutil.copytree(cache, tmp_path_factory.mktemp("filled") / "cache")), answer.stdout


@pytest.fixture
def plan(filled, cache) -> str:
    """What the dry run said; the cache is as it left it."""
    shutil.rmtree(cache)
    shutil.copytree(filled[0], cache)
    return filled[1]


def replaced(kind: str, content: str | Callable[[dict], dict]) -> Callable[[Path], None]:
    """Every note of a kind with other content."""
    def change(cache: Path) -> None:
        for note in (cache / kind).iterdir():
            note.write_text(content if isinstance(content, str) else json.dumps(content(json.loads(note.read_text()))))

    return change


def entries(*last: object) -> Callable[[dict], dict]:
    """Every checked file with another hash and whether it was converted."""
    return lambda note: {**note, "files": {path: [*entry[:4], *last] for path, entry in note["files"].items()}}


NOTES = {
    "checked: deep": replaced("checked", '{"a":' * 100_000),
    "checked: list": replaced("checked", "[1]"),
    "checked: a path as hash": replaced("checked", entries(f"../../{make.SECRET}", True)),
    "checked: a number as hash": replaced("checked", entries(5, False)),
    "checked: a text as entry": replaced(
        "checked", lambda note: {**note, "files": dict.fromkeys(note["files"], "xxxxxx")}),
    "costs: deep": replaced("prefix_costs", '{"a":' * 100_000),
    "costs: texts": replaced("prefix_costs", lambda note: {**note, "seconds": ["x"] * len(note["seconds"])}),
    "costs: below zero": replaced("prefix_costs", lambda note: {**note, "seconds": [-1] * len(note["seconds"])}),
    "costs: no numbers": replaced(
        "prefix_costs", lambda note: {**note, "seconds": [float("nan")] * len(note["seconds"])}),
}


@pytest.mark.parametrize("change", NOTES.values(), ids=NOTES)
def test_notes(worker, used, cache, plan, change):
    """What can't be a note is none: files are checked, and layers measured, again."""
    change(cache)
    answer = worker.run(used, *PLAN)
    assert answer.code == 0, answer.stderr
    assert [line for line in answer.stdout.splitlines() if "data" in line] == [
        line for line in plan.splitlines() if "data" in line]
    assert_nothing_ran(answer, used)


def segment(rows: int, row_bytes: int, rows_per_block: int, footer_bytes: int) -> bytes:
    """A row file whose sizes are lies."""
    footer = struct.pack("<QQQQ", 1, row_bytes, rows, rows_per_block) + bytes(64)
    return bytes(64) + footer + struct.pack("<Q8s", footer_bytes or len(footer), b"tfptrows")


SEGMENTS = {
    "petabytes": segment(2**40, 2**20, 1, 0), "overflow": segment(2**63, 2**63, 2**63, 0),
    "no rows": segment(0, 0, 0, 0), "footer before the file": segment(1, 64, 1, 2**62), "pickle": b""}


def test_rows(worker, used, cache, plan):
    folder = cache / "prefix" / "0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(json.dumps({"task": "\x1b[2J", "cut": "\x1b]0;owned\x07", "x": {}}))
    for number, content in enumerate(SEGMENTS.values()):
        (folder / f"{number:032x}.rows").write_bytes(content)
    make.write_pickle(folder / f"{len(SEGMENTS) - 1:032x}.rows")
    os.symlink(used, cache / "prefix" / "fedcba9876543210")
    answers = [worker.run(used, "cache", command) for command in ("list", "verify", "clear")]
    assert [answer.code for answer in answers] in ([0, 0, 0], [0, 4, 0]), answers
    for answer in answers:
        assert_nothing_ran(answer, used)
    assert not list(folder.parent.glob("*/*.rows")) and (used / "pictures").is_dir()
    assert sum("was damaged" in line for line in (answers[1].stdout + answers[1].stderr).split(". ")) >= len(SEGMENTS)


def test_how_many(capsys):
    with capsys.disabled():
        print(f"\n{len(NOTES) + len(SEGMENTS)} hostile files in the cache")
    assert len(NOTES) + len(SEGMENTS) >= 14
