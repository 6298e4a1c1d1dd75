"""What every refusal has in common."""

import os
import re
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from tests.faults.hostile_files import CANARY
from tests.faults.hostile_process import Answer, Worker

MOST_GROWN_MB = 250
"""Building a model and reading data take some of it; the bombs are of 600 MB and more."""


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything under ``folder`` with its size and time of writing; of folders, that they are there."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            status = os.lstat(os.path.join(place, name))
            key = os.path.relpath(os.path.join(place, name), folder)
            found[key] = (0, 0) if name in folders else (status.st_size, status.st_mtime_ns)
    return found


def assert_refused(worker: Worker, folder: Path, arguments: Sequence[str], reason: str, code: int = 2,
                   may_write: Collection[str] = ()) -> Answer:
    """Runs the command and asserts that it says ``reason`` (a pattern), and did nothing else.

    ``may_write`` are paths, in which ``*`` stands for anything.
    """
    before = tree(folder)
    answer = worker.run(folder, *arguments)
    assert answer.code == code, answer.stderr
    assert re.search(reason, answer.stderr), answer.stderr
    assert "Traceback" not in answer.stderr and "bug of tfpt" not in answer.stderr
    assert answer.stdout == "" and "the secret" not in answer.stderr
    assert_nothing_ran(answer, folder)
    after = tree(folder)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert not [name for name in changed if not any(fnmatchcase(name, path) for path in may_write)], changed
    return answer


def assert_nothing_ran(answer: Answer, folder: Path) -> None:
    """No payload ran, nothing was reached for, and no bomb was unpacked."""
    assert not any(name.endswith(CANARY) for name in tree(folder.parent)) and answer.events == []
    assert answer.grown_mb < MOST_GROWN_MB
    assert "\x1b" not in answer.stdout + answer.stderr
