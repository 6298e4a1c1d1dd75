"""What the tables of faults have in common: how a refusal looks, and what a folder holds."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Refused:
    """Exit code 2 and one paragraph on stderr, of which ``message`` is a regular expression."""

    message: str


def is_one_paragraph(text: str) -> bool:
    """One line that begins as ours do, without a traceback, and not calling it a bug."""
    is_bug = "a bug of tfpt" in text or "Traceback" in text
    return text.startswith("tfpt: ") and text.count("\n") == 1 and not is_bug


def assert_refused(outcome: Refused, code: int, errors: str) -> None:
    assert code == 2 and is_one_paragraph(errors), (code, errors)
    assert re.search(outcome.message, errors), errors


def tree(folder: Path) -> dict[str, str]:
    """Every path below ``folder`` with what is there: a digest, a link's target or a kind."""
    found = {}
    for place, folders, files in os.walk(os.fsencode(folder)):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            key = os.fsdecode(os.path.relpath(path, os.fsencode(folder)))
            if os.path.islink(path):
                found[key] = f"link to {os.readlink(path)!r}"
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    found[key] = hashlib.sha256(file.read()).hexdigest()
            else:
                found[key] = "folder" if os.path.isdir(path) else "other"
    return found


def half_written(folder: Path) -> list[str]:
    """What was begun below ``folder`` and not finished."""
    return [path for path in tree(folder) if path.endswith(".tmp")]
