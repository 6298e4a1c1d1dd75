"""``tfpt report``: one HTML file of a finished run, or of several side by side, that needs nothing else."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfpt.atomic_files import atomic_write_text
from tfpt.errors import RunError, TfptError, UsageError
from tfpt.evaluation import pictures
from tfpt.evaluation.report_page import ReportedRun, report_page
from tfpt.run_directory import Run
from tfpt.workflows.compare import compare, read_comparable
from tfpt.workflows.report_pictures import draw_missing_pictures
from tfpt.workflows.run_facts import RunFacts, read_facts
from tfpt.workflows.run_results import NUMBER, has_shape, read_epochs, read_phases, read_test_scores

ENDINGS = (".html", ".htm")
PNG = b"\x89PNG\r\n\x1a\n"
MOST_PICTURE_BYTES = 2**26
CUT = {"name": str, "values": int, "saved": NUMBER}
CACHE = {"cuts": [CUT], "why": str, "where": (str, type(None)), "kept": bool, "rows": int, "dtype": str, "bytes": int}


def report(runs: str | Path | Run | Sequence[str | Path | Run], to: str | Path | None = None) -> dict[str, Any]:
    """Write the page of finished runs of one task.

    Pictures that are missing in a run's ``evaluation/`` are drawn into it first. What can't be had any more, such as
    the worst images when the data are gone, is left out, and the page says so.

    Args:
        runs: one, or a sequence of several, each by itself, its folder or its name.
        to: the file; None: ``report.html`` in the first run's folder.

    Returns:
        ``where``, ``bytes``, ``runs`` and ``notes`` (what is missing), JSON-able.

    Raises:
        UsageError: no runs, one named twice, runs of several tasks, or ``to`` can't be written.
        RunError: no such run, an unfinished one, or a damaged one.
    """
    runs = [runs] if isinstance(runs, (str, Path, Run)) else list(runs)
    if not runs:
        raise UsageError("There is nothing to report: name at least one run; `tfpt runs` lists them.")
    if to is not None:
        _check_target(Path(to))
    facts = [read_facts(runs[0])] if len(runs) == 1 else read_comparable(runs)
    reported = [_reported(fact) for fact in facts]
    text = report_page(reported, compare([fact.run for fact in facts]) if len(facts) > 1 else None)
    where = facts[0].run.path / "report.html" if to is None else Path(to)
    _write(where, text)
    return {"where": str(where), "bytes": len(text.encode("utf-8")), "runs": [str(fact.run.path) for fact in facts],
            "notes": [f"{run.name}: {note}" for run in reported for note in run.notes]}


def _reported(fact: RunFacts) -> ReportedRun:
    notes = draw_missing_pictures(fact.run)
    evaluation, epochs = read_test_scores(fact.run), read_epochs(fact.run)
    if not epochs:
        notes.append("there are no learning curves: metrics.jsonl is missing")
    return ReportedRun(
        name=fact.run.name, path=str(fact.run.path), record=_record(fact), settings=fact.settings,
        config_text=fact.run.config_text(), scores=fact.scores, intervals=fact.intervals, evaluation=evaluation,
        epochs=epochs, pictures=_pictures(fact.run), notes=notes)


def _record(fact: RunFacts) -> dict[str, Any]:
    """What a page shows of run.json; a part that isn't as a training writes it is empty."""
    record = fact.record
    left_out = record["data"].get("left_out")
    seconds = _of_kind(record.get("wall_seconds"), dict, {})
    return {
        **record, "cache": _of_kind(record.get("cache"), CACHE, {}),
        "wall_seconds": {name: value for name, value in seconds.items() if has_shape(value, NUMBER)},
        "versions": _of_kind(record.get("versions"), dict, {}), "began": _of_kind(record.get("began"), str, ""),
        "examples_per_second": _of_kind(record.get("examples_per_second"), NUMBER, None),
        "best_epoch": _of_kind(record.get("best_epoch"), int, None), "seed": record.get("seed"),
        "recoveries": _of_kind(record.get("recoveries"), [{"epoch": int, "what": str}], []),
        "phases": read_phases(record),
        "data": {**record["data"], "left_out": _of_kind(left_out, [{"path": str, "why": str}], [])}}


def _of_kind(value: Any, shape: Any, otherwise: Any) -> Any:
    return value if has_shape(value, shape) else otherwise


def _pictures(run: Run) -> dict[str, bytes]:
    """The PNG files in ``evaluation/`` by the names of ``pictures``.

    A run may be somebody else's, and a page may be passed on: nothing is taken in but PNG files of the run's own.
    """
    found = {}
    for name in (*pictures.OF_A_TEST, *pictures.OF_A_TRAINING):
        file = pictures.picture_file(run.evaluation, name)
        try:
            with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as stream:
                status = os.fstat(stream.fileno())
                content = stream.read() if stat.S_ISREG(status.st_mode) and status.st_size < MOST_PICTURE_BYTES else b""
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RunError(f"Expected a picture in {file}, but it can't be read: {error.strerror}. Remove it; `tfpt "
                           f"evaluate {run.path}` draws it again.") from error
        if not content.startswith(PNG):
            raise RunError(f"Expected a PNG file in {file}, but found something else. Remove it; `tfpt evaluate "
                           f"{run.path}` draws it again.")
        found[name] = content
    return found


def _check_target(to: Path) -> None:
    if to.suffix.lower() not in ENDINGS:
        raise UsageError(f"Expected --to to name an HTML file, but {to} doesn't end in .html. Nothing else is written "
                         "over.")
    if to.is_dir() or not to.parent.is_dir():
        found = "is a folder" if to.is_dir() else f"would be in {to.parent}, which is no folder"
        raise UsageError(f"Expected --to to name a file in a folder that there is, but {to} {found}. Name another.")


def _write(where: Path, text: str) -> None:
    try:
        atomic_write_text(where, text)
    except TfptError as error:
        reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else str(error)
        raise UsageError(f"Expected to write the report to {where}, but: {reason}. Name another file with "
                         "--to FILE.") from error
