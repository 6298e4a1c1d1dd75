"""The three lines that end a training command: how good, how long, where and what next."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfpt.commands.tables import printable

SCORES = {"accuracy": "accuracy", "macro_f1": "macro F1", "roc_auc": "ROC-AUC"}


def summary_lines(path: Path, manifest: Mapping[str, Any], command: str) -> list[str]:
    """The lines test, time and run; what a manifest lacks is left out."""
    metrics = manifest.get("metrics") or {}
    lines = [f"test      {_test(metrics['test'])}"] if metrics.get("test") else []
    if manifest.get("wall_seconds"):
        lines.append(f"time      {_time(manifest['wall_seconds'])}")
    return [*lines, f"run       {printable(path)}  →  tfpt evaluate · report · predict · export · {command} --resume"]


def _test(scores: Mapping[str, Any]) -> str:
    parts = [f"{label} {scores[name]:.3f}" for name, label in SCORES.items() if scores.get(name) is not None]
    weakest = scores.get("weakest_class")
    if weakest:
        parts.append(f"weakest class: {printable(weakest['name'])} (F1 {weakest['f1']:.2f})")
    return " · ".join(parts)


def _time(wall_seconds: Mapping[str, float | None]) -> str:
    parts = {name: seconds for name, seconds in wall_seconds.items() if name != "total" and seconds}
    total = wall_seconds.get("total") or sum(parts.values())
    shown = ", ".join(f"{name.replace('_', '-')} {_seconds(seconds)}" for name, seconds in parts.items())
    return f"{_seconds(total)} s" + (f": {shown}" if shown else "")


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 1 else f"{seconds:.1f}"
