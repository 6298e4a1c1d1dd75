"""``tfpt export``: a run's model written for serving, and published only if it gives the trained numbers."""

import time
from pathlib import Path
from typing import Any

from tfpt.config.export import MODEL_NAME, SAVED_MODEL
from tfpt.errors import CheckFailed, RunError, UsageError
from tfpt.export.parity import Parity
from tfpt.export.publish import publishing
from tfpt.export.runtimes import require
from tfpt.export.saved_model import write_saved_model
from tfpt.export.warmup import write_warmup
from tfpt.run_directory import Run, find_run
from tfpt.task import ServedModel
from tfpt.training.screen import Screen
from tfpt.workflows.export_cards import write_cards
from tfpt.workflows.export_checks import (
    Examples, check_saved_model, examples_of, parity_record, refuse_another_model, stopped_at_once)
from tfpt.workflows.export_formats import NetworkFormat, check_options, network_format
from tfpt.workflows.export_warmup import warmup_count, warmup_records, write_expected_answers
from tfpt.workflows.finished_data import with_data_dir
from tfpt.workflows.finished_run import FinishedRun, model_sha256, open_finished

REPORT = ("This is a fault of tfpt or of a library under it: please report it, with what `tfpt --version` prints.")


def export_run(run: str | Path | Run, *, version: int | None = None, to: str | Path | None = None,
               data: str | None = None, data_dir: str | None = None, model_format: str = SAVED_MODEL,
               quantize: str = "none", quiet: bool = False) -> dict[str, Any]:
    """Write a run's model to ``<run>/export/<version>`` (or ``to/<version>``), if it then gives the trained numbers.

    Args:
        run: a run, its folder or its name.
        version: the export's number; None: the next free one.
        to: the folder of versions; formats other than the SavedModel go to a folder of the format's name in it.
        data: labelled data to check on, as ``--data`` takes it; None: the run's own test split.
        data_dir: where data sets of TensorFlow Datasets are prepared; None: where they were when the run was trained.
        model_format: "saved_model", "onnx" or "litert".
        quantize: of "litert": "none", "float16" or "int8".

    Returns:
        What was written and how it was checked, JSON-able.

    Raises:
        RunError, DataError: no such run, an unfinished one, or its data can't be had.
        ExportError: the version exists, there is no room, a package is missing, or the format can't hold the model.
        CheckFailed: the export doesn't give the trained numbers; nothing was published.
    """
    check_options(model_format, quantize)
    require(model_format)
    with stopped_at_once():
        return _export(run if isinstance(run, Run) else find_run(run), version, None if to is None else Path(to), data,
                       data_dir, None if model_format == SAVED_MODEL else network_format(model_format, quantize),
                       Screen(quiet=quiet))


def _export(run: Run, version: int | None, to: Path | None, data: str | None, data_dir: str | None,
            other: NetworkFormat | None, screen: Screen) -> dict[str, Any]:
    began, exported = time.monotonic(), model_sha256(run)
    opened = with_data_dir(open_finished(run), data_dir, data)
    base = run.path / "export" if to is None else to
    base = base / other.folder if other else base
    if base.resolve() == run.path.resolve():
        raise UsageError(f"--to {base} is the run itself, whose files versions must not stand among. Leave --to out to "
                         f"write {run.path / 'export'}.")
    screen.line("reading", data or opened.config.data.path)
    examples = examples_of(opened, data)
    if data is None:
        refuse_another_model(opened, examples)
    served = opened.task.signatures(opened.config, opened.model, opened.metadata)
    with publishing(base, version) as (folder, number):
        screen.line("writing", str(base / str(number)))
        file = _write(folder, opened, served, examples, other)
        screen.line("checking", f"{len(examples.names):,} examples")
        checks, accuracy = _check(folder, opened, examples, other)
        if exported is None or model_sha256(run) != exported:
            raise RunError(f"{run.model_file} was written again while it was exported. Nothing was published. Wait "
                           f"until the run is done, and export it again.")
        write_cards(folder, opened, served, version=number, model_format=other.folder if other else SAVED_MODEL,
                    model_file=file if other else None, model_sha256=exported, checks=checks, accuracy=accuracy,
                    warmup_examples=0 if other else warmup_count(examples))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"export": str(base / str(number)), "run": str(opened.run.path), "task": opened.task.name,
            "format": other.folder if other else SAVED_MODEL, "version": number, "bytes": size,
            "file": file, "signatures": [] if other else list(served.signatures),
            "beyond_network": served.beyond_network if other else None,
            "checked": {"examples": len(examples.names), "converted": examples.requests.converted, "accuracy": accuracy,
                        "loaders": {name: parity_record(parity) for name, parity in checks.items()}},
            "wall_seconds": round(time.monotonic() - began, 2)}


def _write(folder: Path, opened: FinishedRun, served: ServedModel, examples: Examples,
           other: NetworkFormat | None) -> str:
    """Write the model into ``folder``; returns the name of its file."""
    if other is not None:
        other.write(opened, served, folder / other.file)
        for name, text in served.assets.items():
            (folder / name).write_text(text, encoding="utf-8")
        return other.file
    write_saved_model(served, folder)
    records = warmup_records(opened, served, examples)
    write_warmup(folder, MODEL_NAME, records)
    write_expected_answers(folder, examples)
    return "saved_model.pb"


def _check(folder: Path, opened: FinishedRun, examples: Examples,
           other: NetworkFormat | None) -> tuple[dict[str, Parity], dict[str, float]]:
    """The parity by loader, and what ``NetworkFormat.check`` measures. CheckFailed: one differs."""
    checks, accuracy = (other.check(folder / other.file, opened, examples) if other
                        else (check_saved_model(folder, examples), {}))
    for loader, parity in checks.items():
        if not parity.passed:
            raise CheckFailed(f"{parity.failure()} It was asked through: {loader}. Nothing was published. "
                              f"{other.advice if other else REPORT}")
    return checks, accuracy
