"""The lines that end a search: the best trial, the time, the files, what to do with it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpt.commands.tables import printable
from tfpt.tuning.record import RECORD_FILE
from tfpt.tuning.wording import score_name, score_text

TRAINING_COMMANDS = {"image_classification": "finetune-image"}


def tuning_lines(path: Path, record: Mapping[str, Any]) -> list[str]:
    """The lines best, time, files and next; nothing is next without a best trial, or if its values were trained."""
    best, trials = record["best"], record["trials"]
    time_line = f"time      {record['wall_seconds']:.0f} s · {_counts(trials)}"
    names = [RECORD_FILE, *sorted(file.name for file in path.glob("*.png"))]
    if best is None:
        why = next((trial["why"] for trial in trials if trial["why"]), None)
        return [f"best      none{': ' + printable(why) if why else ''}", time_line, _files(path, names)]
    config = path / best["config"]
    score = f"{score_name(record['objective']['name'])} {score_text(best['score'])}"
    lines = [f"best      trial {best['number']} · {printable(score)} · {printable(config)}", time_line,
             _files(path, [best["config"], *names])]
    if "run" not in best:
        command = TRAINING_COMMANDS[record["task"]]
        lines.append(f"next      tfpt {command} --config {printable(shlex.quote(str(config)))}")
    return lines


def _counts(trials: Sequence[Mapping[str, Any]]) -> str:
    failed = sum(trial["status"] == "failed" for trial in trials)
    trained = f"{len(trials)} trial{'' if len(trials) == 1 else 's'}"
    return f"{trained}, {failed} failed" if failed else trained


def _files(path: Path, names: Sequence[str]) -> str:
    return f"files     {printable(path)}: {', '.join(map(printable, names))}"
