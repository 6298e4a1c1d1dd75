"""What both loaders do with a job: answer its requests or time its calls, and report without a traceback.

A job is a folder with ``job.json``. ``answers`` and then ``report.json`` are written beside it. Loaded by its path.
"""

import importlib.util
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

Batch = dict[str, Any]
Call = Callable[[Batch], Batch]


def module_at(path: Path) -> Any:
    """A module by its path: the folder isn't put on sys.path, where its files could stand for others."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


exchange = module_at(Path(__file__).parents[1] / "exchange.py")


def run_job(open_model: Callable[[dict[str, Any]], Call]) -> None:
    """Do the job in the folder that the command line names. ``open_model`` takes job.json's content."""
    folder = Path(sys.argv[1])
    threading.Thread(target=_end_with_parent, args=[folder], daemon=True).start()
    report: dict[str, Any] = {"stage": "load", "batch": None, "error": None}
    try:
        job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        call = _checked(open_model(job), job["inputs"])
        report["stage"] = "call"
        requests = exchange.read_batches(Path(job["requests"]))
        results = (_timed_calls(call, requests, job["timing"]) if job["timing"] else
                   _answers(call, requests, report))
        exchange.write_batches(folder / "answers", results)
    except Exception as error:
        report["error"] = str(error) or type(error).__name__
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def _end_with_parent(folder: Path) -> None:
    """The parent holds the other end of stdin. When it is gone, however it ended, nobody waits for the answers."""
    while os.read(0, 1):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _checked(call: Call, inputs: dict[str, Any]) -> Call:
    """TensorFlow's own words on a wrong input differ between the loaders, and are many."""
    def checked(batch: Batch) -> Batch:
        given = {name: "bytes" if values.dtype == object else str(values.dtype) for name, values in batch.items()}
        wanted = {name: tensor["dtype"] for name, tensor in inputs.items()}
        if given != wanted:
            raise TypeError(f"it takes {wanted}, but was given {given}")
        return call(batch)

    return checked


def _answers(call: Call, requests: Iterator[Batch], report: dict[str, Any]) -> Iterator[Batch]:
    for number, batch in enumerate(requests):
        report["batch"] = number
        yield call(batch)


def _timed_calls(call: Call, requests: Iterator[Batch], timing: dict[str, Any]) -> Iterator[Batch]:
    """The seconds of each call, for each of ``timing["groups"]``: how many batches it has, which are sent in turn."""
    for count in timing["groups"]:
        batches = list(islice(requests, count))
        _call_seconds(call, batches, 1, timing["untimed_calls"], timing["seconds"], timing["seconds"])
        yield {"seconds": np.array(_call_seconds(call, batches, timing["least_calls"], timing["most_calls"],
                                                 timing["seconds"], timing["limit_seconds"]))}


def _call_seconds(call: Call, batches: list[Batch], least: int, most: int, seconds: float, limit: float) -> list[float]:
    """Call until ``seconds`` have passed, ``most`` times at most, and ``least`` times if ``limit`` seconds allow it."""
    spent: list[float] = []
    while len(spent) < most and sum(spent) < (limit if len(spent) < least else seconds):
        began = time.perf_counter()
        call(batches[len(spent) % len(batches)])
        spent.append(time.perf_counter() - began)
    return spent
