"""``tfpt serve-check``: is an export fit to be served: its operations, its numbers, its warm-up, its latency."""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tfpt.errors import CheckFailed, ExportError, RunError
from tfpt.export.graph_ops import OpReport, op_report
from tfpt.export.latency import measure_latency
from tfpt.export.parity import Parity
from tfpt.export.publish import versions
from tfpt.export.saved_model_file import signature_names
from tfpt.export.warmup import read_warmup
from tfpt.run_directory import RUNS_ROOT, Run, find_run
from tfpt.training.screen import Screen
from tfpt.workflows.export_checks import (
    Examples, check_saved_model, examples_of, loaders, parity_record, stopped_at_once)
from tfpt.workflows.export_warmup import carried_examples, largest_request
from tfpt.workflows.finished_run import model_sha256, open_finished


def serve_check(directory: str | Path, *, run: str | Path | Run | None = None, data: str | None = None,
                trust: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Check a SavedModel as a server would load it.

    Its operations are read first, without loading it. Then it is loaded in a fresh process and by TensorFlow's C++
    loader, asked for test examples and held against the run's trained model, sent its own warm-up requests, and timed.

    Args:
        directory: holds saved_model.pb; or a folder of versions, or a run, whose newest version is taken.
        run: what it was exported from; None: the run that it lies in. Without either it is held against the answers
            that it carries, if it carries some.
        data: labelled data to check on, as ``--data`` takes it; None: the run's own test split.
        trust: load it though its operations may reach files, addresses or other processes.

    Returns:
        What was found, JSON-able.

    Raises:
        ExportError: no export, or one that no server should run.
        RunError, DataError: the run or its data can't be had.
        CheckFailed: it can't be loaded or asked, or doesn't give the trained numbers.
    """
    with stopped_at_once():
        return _serve_check(export_folder(Path(directory)), run, data, trust, Screen(quiet=quiet))


def _serve_check(folder: Path, run: str | Path | Run | None, data: str | None, trust: bool,
                 screen: Screen) -> dict[str, Any]:
    ops = op_report(folder)
    _refuse(folder, ops, trust)
    text_ops = bool(ops.text)
    examples = _examples(folder, run, data, screen)
    screen.line("checking", str(folder))
    checks = check_saved_model(folder, examples, text_ops) if examples else {}
    if examples:
        _require(checks, folder, examples.origin)
    else:
        _load(folder, text_ops)
    warm_up = _replay(folder, text_ops)
    requests = next(examples.batches()) if examples else largest_request(folder)
    screen.line("timing", "1, 8 and 32 examples a call")
    latency = measure_latency(folder, requests, text_ops=text_ops) if requests else []
    return {"export": str(folder), "ops": asdict(ops), "compared_with": examples.origin if examples else None,
            "examples": len(examples.names) if examples else 0,
            "converted": examples.requests.converted if examples else 0,
            "loaders": {name: parity_record(checks[name]) if examples else None for name in loaders()},
            "warm_up_requests": warm_up, "latency": [asdict(row) for row in latency]}


def export_folder(directory: Path) -> Path:
    """The folder with saved_model.pb: the directory, or the newest version in it or in its export/; a run may be named.

    Raises:
        RunError: there is no such directory, and no such run.
        ExportError: there is no export in it.
    """
    if not directory.exists():
        directory = find_run(directory).path
    if (directory / "saved_model.pb").exists():
        return directory
    for base in (directory, directory / "export"):
        newest = list(versions(base).values())[-1:]
        if newest and (newest[0] / "saved_model.pb").exists():
            return newest[0]
    other = next((name for name in ("model.onnx", "model.tflite") if list(directory.rglob(name))), None)
    what = f"holds only {other}, which was checked when it was exported" if other else "holds none"
    raise ExportError(f"Expected a SavedModel, the folder of its versions, or a run that was exported, but {directory} "
                      f"{what}. `tfpt export RUN` writes one.")


def _refuse(folder: Path, ops: OpReport, trust: bool) -> None:
    """ExportError if no server can run these operations, or this machine shouldn't."""
    if ops.python:
        raise ExportError(f"{folder} calls Python ({', '.join(ops.python)}), which no server can. Replace "
                          f"tf.py_function and tf.numpy_function by TensorFlow's own operations and export it again.")
    if ops.unknown:
        raise ExportError(f"{folder} has operations that neither TensorFlow nor tensorflow-text has: "
                          f"{', '.join(ops.unknown)}. A server needs the library that they come from.")
    if ops.file_access and not trust:
        raise ExportError(f"{folder} has operations that may reach files, addresses or other processes: "
                          f"{', '.join(ops.file_access)}. If you know where it comes from, load it with --trust.")


def _examples(folder: Path, run: str | Path | Run | None, data: str | None, screen: Screen) -> Examples | None:
    """Those of the run, else what the export carries."""
    home = run if run is not None else _home(folder)
    if home is None:
        if data is not None:
            raise ExportError(f"Expected a run to compare {folder} with on {data}, but it does not lie in one. Name "
                              f"the run that it was exported from with --run.")
        return carried_examples(folder)
    opened = open_finished(home if isinstance(home, Run) else find_run(home))
    screen.line("reading", data or opened.config.data.path)
    return examples_of(opened, data)


def _home(folder: Path) -> Run | None:
    """The run that an export lies in, or else the one under runs/ that has its name and its very model."""
    with contextlib.suppress(RunError):
        run = Run(Path(os.path.relpath(folder.resolve().parent.parent)))
        run.training_record()
        return run
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError, RunError):
        about = json.loads((folder / "signature.json").read_text(encoding="utf-8"))["tfpt"]
        run = Run(Path(RUNS_ROOT) / Path(about["run"]).name)
        if model_sha256(run) == about["model_sha256"]:
            run.training_record()
            return run
    return None


def _load(folder: Path, text_ops: bool) -> None:
    """Only load it, by each loader: there is nothing to compare with."""
    signatures = signature_names(folder)
    if not signatures:
        raise ExportError(f"{folder} has no signatures, so no client can call it. Export it with some.")
    for ask in loaders().values():
        ask(folder, signatures[0], [], text_ops=text_ops)


def _require(checks: Mapping[str, Parity], folder: Path, origin: str) -> None:
    for loader, parity in checks.items():
        if not parity.passed:
            raise CheckFailed(f"{folder}, loaded by {loader}, doesn't answer as the trained model of {origin}. "
                              f"{parity.failure()} Don't serve it: export the run again.")


def _replay(folder: Path, text_ops: bool) -> int:
    """Send each warm-up request, as a server does when it loads the export; returns how many there are."""
    records = read_warmup(folder)
    ask = list(loaders().values())[-1]
    for signature in dict.fromkeys(name for name, _ in records):
        ask(folder, signature, [batch for name, batch in records if name == signature], text_ops=text_ops)
    return len(records)
