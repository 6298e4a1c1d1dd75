"""Many processes on the same files: readers of a run, trainings that share a cache, listings of runs being written."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.processes import REPOSITORY, last_arrays
from tests.workflows.finished_runs import write_pictures, write_run
from tfpt.workflows.runs import runs_table

DEADLINE_SECONDS = 500
READERS, MANY_READERS = 10, 30
TRAININGS, MANY_TRAININGS = 4, 10
TRAIN = ("finetune-image", "--config", "image_classification/tiny", "--epochs", "3", "--set", "data.train_per_class=6")
RATES = ("0.01", "0.02")
"""Trainings at these rates share the frozen layers' rows, and nothing else."""


def start(folder: Path, cache: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TFPT_CACHE": str(cache), "PYTHONPATH": str(REPOSITORY)}
    folder.mkdir(exist_ok=True)
    return subprocess.Popen([sys.executable, "-m", "tfpt", *arguments], cwd=folder, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def outputs(processes: Iterable[subprocess.Popen[str]]) -> list[str]:
    """What each wrote to stdout; all have to end well."""
    texts = []
    for process in processes:
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
        assert process.returncode == 0 and "Traceback" not in err, err
        texts.append(out)
    return texts


@pytest.mark.parametrize("count", [READERS, pytest.param(MANY_READERS, marks=pytest.mark.nightly)])
def test_one_run_is_evaluated_and_predicted_while_it_is_exported(tmp_path, count):
    write_pictures(tmp_path / "pictures")
    run = write_run(tmp_path / "run", tmp_path / "pictures")
    export = start(tmp_path, tmp_path / "cache", "export", "run", "--json")
    evaluations = [start(tmp_path, tmp_path / "cache", "evaluate", "run", "--json") for _ in range(count // 2)]
    predictions = [start(tmp_path, tmp_path / "cache", "predict", "run", "pictures", "--json")
                   for _ in range(count - count // 2)]
    reads = 0
    while any(process.poll() is None for process in evaluations):
        if (run.evaluation / "test.json").exists():  # each of the ten replaces it
            assert json.loads((run.evaluation / "test.json").read_text())["examples"] > 0
            assert (run.evaluation / "confusion_matrix.png").read_bytes().endswith(b"IEND\xaeB`\x82")
            reads += 1
        time.sleep(0.02)
    reports, answers = outputs(evaluations), outputs(predictions)
    assert reads > 0 and len(set(reports)) == len(set(answers)) == 1
    assert json.loads(reports[0])["accuracy"] == 1.0 and len(answers[0].splitlines()) == 24
    assert json.loads(outputs([export])[0])["version"] == 1 and (run.path / "export" / "1" / "saved_model.pb").is_file()
    assert not list(tmp_path.rglob("*.tmp"))


def listings(runs: Path, cache: Path, processes: Iterable[subprocess.Popen[str]]) -> Iterator[list[dict[str, Any]]]:
    """The table of runs, again and again as long as the processes are at work; every twentieth from ``tfpt runs``."""
    number = 0
    while any(process.poll() is None for process in processes):
        number += 1
        yield (json.loads(outputs([start(runs.parent, cache, "runs", "--json")])[0])["runs"] if number % 20 == 0
               else runs_table(runs))
        time.sleep(0.1)


def outcome(run: Path) -> tuple[Any, ...]:
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["status"] == "finished" and manifest["cache"]["cuts"]
    return ((run / "metrics.jsonl").read_text(), manifest["metrics"], manifest["cache"]["cuts"], last_arrays(run))


@pytest.fixture(scope="module", params=[
    (TRAININGS, "0"), pytest.param((MANY_TRAININGS, "10"), marks=pytest.mark.nightly)], ids=["head", "two phases"])
def together(request, tmp_path_factory) -> Mapping[str, Any]:
    """Trainings at one time, and for each of the rates one that has its cache and folders to itself."""
    root = tmp_path_factory.mktemp("together")
    count, unfreeze = request.param
    rates = [RATES[number % len(RATES)] for number in range(count)]
    train = (*TRAIN, "--unfreeze", unfreeze)
    outputs([start(root / "alone0", root / "cache0", *train, "--learning-rate", RATES[0])])
    for cache in ("cache", "cache1"):  # how fast layers are is measured, and decides what is cached
        shutil.copytree(root / "cache0" / "prefix_costs", root / cache / "prefix_costs")
    alone = start(root / "alone1", root / "cache1", *train, "--learning-rate", RATES[1])
    trainings = [start(root / "all", root / "cache", *train, "--learning-rate", rate, "--json") for rate in rates]
    tables = list(listings(root / "all" / "runs", root / "cache", trainings))
    names = [json.loads(text.splitlines()[-1])["run"] for text in outputs(trainings)]
    outputs([alone])
    return {"root": root, "tables": tables, "runs": dict(zip(names, rates, strict=True))}


def test_trainings_with_one_cache_end_as_they_do_alone(together):
    alone = {rate: outcome(together["root"] / f"alone{number}" / "runs" / "digits-0001")
             for number, rate in enumerate(RATES)}
    assert alone[RATES[0]] != alone[RATES[1]]
    for run, rate in together["runs"].items():
        assert outcome(together["root"] / "all" / run) == alone[rate], run


def test_they_share_the_rows(together):
    folder = together["root"]
    assert len(list((folder / "cache" / "prefix").iterdir())) == len(list((folder / "cache0" / "prefix").iterdir()))
    checked = json.loads(outputs([start(folder / "all", folder / "cache", "cache", "verify", "--json")])[0])
    assert checked["folders"] and not any(item["damaged"] for item in checked["folders"])
    assert not [path for path in (folder / "cache").rglob("*.tmp")]


def test_each_has_a_run_and_events_of_its_own(together):
    logs = together["root"] / "all" / "tensorboard_logs"
    names = {Path(run).name for run in together["runs"]}
    assert len(names) == len(together["runs"]) == len(list((together["root"] / "all" / "runs").iterdir()))
    assert {path.name for path in logs.iterdir()} == names
    for name in names:
        for part in ("train", "validation"):
            events, = (logs / name / part).iterdir()
            assert events.stat().st_size > 0


def test_runs_that_are_being_written_are_listed_whole(together):
    rows = [row for table in together["tables"] for row in table]
    assert len(together["tables"]) > 20 and {row["status"] for row in rows} == {"running", "finished"}
    assert {row["task"] for row in rows} == {"image_classification"}
    assert all(row["schedule"] and row["data"] == "bundled:digits" for row in rows if row["status"] == "finished")
    assert len(together["tables"][-1]) == len(together["runs"])


def test_how_many(capsys, together):
    with capsys.disabled():
        print(f"\n{READERS} readers of a run that is exported, {len(together['runs'])} trainings on one cache, "
              f"{len(together['tables'])} listings of runs being written")
    assert len(together["runs"]) >= TRAININGS
