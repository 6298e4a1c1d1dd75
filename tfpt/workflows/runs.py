"""What runs there are, read from their manifests alone: without TensorFlow, whatever state they are in."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfpt.config.yaml_text import read_yaml
from tfpt.errors import ConfigError, RunError
from tfpt.run_directory import RUNS_ROOT, Run, is_locked, list_runs


def runs_table(runs_root: str | Path = RUNS_ROOT) -> list[dict[str, Any]]:
    """A dict per run, the oldest first: run, task, status, data, schedule, score (test accuracy), when
    (local time it began).

    What a half-written or damaged run doesn't tell is None; its status is then ``broken``.
    """
    return [_row(run) for run in list_runs(runs_root)]


def _row(run: Run) -> dict[str, Any]:
    try:
        manifest, status = run.manifest(), None
    except RunError:
        manifest, status = {}, "broken"
    return {
        "run": run.name,
        "task": manifest.get("task"),
        "status": status or _status(run, manifest),
        "data": _data_path(run),
        "schedule": _schedule(manifest.get("phases")),
        "score": _score(manifest),
        "when": datetime.datetime.fromtimestamp(run.started()).isoformat(" ", "minutes"),
    }


def _status(run: Run, manifest: Mapping[str, Any]) -> str:
    status = str(manifest.get("status", "broken"))
    # A killed process leaves "running" behind, but the kernel has taken its lock away.
    return "interrupted" if status == "running" and not is_locked(run) else status


def _data_path(run: Run) -> str | None:
    try:
        config = read_yaml(run.config_text(), str(run.config_file)).values
        return str(config["data"]["path"])
    except (RunError, ConfigError, KeyError, TypeError):
        return None


def _schedule(phases: Any) -> str | None:
    """``0 → 10``: what was unfrozen in each phase."""
    try:
        return " → ".join(str(phase["unfreeze"]) for phase in phases) or None
    except (KeyError, TypeError):
        return None


def _score(manifest: Mapping[str, Any]) -> float | None:
    try:
        return float(manifest["metrics"]["test"]["accuracy"])
    except (KeyError, TypeError, ValueError):
        return None
