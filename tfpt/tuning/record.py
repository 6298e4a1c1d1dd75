"""``tuning.json``: what a search was asked, how it stands, what every trial gave."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tfpt import runtime
from tfpt.atomic_files import atomic_write_text
from tfpt.errors import RunError
from tfpt.tuning.trial_result import TrialResult, best_result

RECORD_FILE = "tuning.json"
BEST_CONFIG_FILE = "best.yaml"


def search_record(*, tune: str, task: str, status: str, search: str, objective: str, direction: str, space: Any,
                  results: Sequence[TrialResult], best_run: str | None, shared: Mapping[str, Any],
                  wall_seconds: float, seed: int) -> dict[str, Any]:
    """What ``tuning.json`` holds.

    Args:
        tune: the search's folder.
        status: running, finished, interrupted or failed.
        search: random, bayesian, hyperband or grid.
        direction: whether the best ``objective`` is the ``max`` or the ``min``.
        best_run: the run trained on the best values, if one was.
        shared: what the trials had in common: cuts, computed and loaded rows, traced programs.
    """
    best = best_result(results, direction)
    return {
        "tune": tune, "task": task, "status": status, "search": search,
        "objective": {"name": objective, "direction": direction}, "space": space,
        "trials": [asdict(result) for result in results],
        "best": None if best is None else {
            "number": best.number, "score": best.score, "values": dict(best.values), "config": BEST_CONFIG_FILE,
            **({} if best_run is None else {"run": best_run})},
        "shared": dict(shared), "wall_seconds": round(wall_seconds, 2), "seed": seed, "versions": runtime.versions()}


def write_record(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Writes ``tuning.json``, atomically, and returns it as it will be read: numbers that aren't finite are null."""
    plain: dict[str, Any] = json.loads(json.dumps(record, default=_plain), parse_constant=lambda _: None)
    atomic_write_text(folder / RECORD_FILE, json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    return plain


def read_record(folder: Path) -> dict[str, Any]:
    """What ``tuning.json`` holds.

    Raises:
        RunError: it is missing, or not what a search writes.
    """
    file = folder / RECORD_FILE
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"Expected a search in {folder}, but there is no {RECORD_FILE} in it. Name the folder that "
                       f"`tfpt tune` wrote with --run-dir.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"Expected a JSON object in {file}, but it can't be read: {error}. Something other than tfpt "
                       f"wrote or damaged it; start a new search.") from error
    if not isinstance(record, dict) or not isinstance(record.get("trials"), list):
        raise RunError(f"Expected the record of a search in {file}, but it holds no list of trials. Something other "
                       f"than tfpt wrote it; start a new search.")
    return record


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays as numbers and lists, mappings as objects, anything else (a path) as text."""
    if isinstance(value, Mapping):
        return dict(value)
    return value.tolist() if hasattr(value, "tolist") else str(value)
