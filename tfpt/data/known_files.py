"""Files that an earlier run has checked: as long as one is the same file, unchanged, it need not be read again.

A file is taken for the same by path, size, inode and both its times, of writing and of any change, as git does.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Sequence
from typing import Any

from tfpt.atomic_files import atomic_write_text
from tfpt.data.notes import notes_folder
from tfpt.errors import TfptError

CHECK = 1
"""To be raised when the check finds other files good than before."""

_SHA256 = re.compile("[0-9a-f]{64}")
SETTLED_SECONDS = 2.0
"""A file that changed just before it was read may change again within the resolution of its time."""


class KnownFiles:
    """What is known of the files among ``paths``; ``save`` keeps what was added with ``remember``."""

    def __init__(self, paths: Sequence[str], versions: Sequence[str]):
        """``versions``: of the libraries whose decoders found the files good; others make everything unknown."""
        absolute = [os.path.abspath(path) for path in paths]
        root = os.path.commonpath([os.path.dirname(path) for path in absolute]) if absolute else ""
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
        self._file = notes_folder("checked") / f"{name}.json"
        self._conditions = [CHECK, *versions]
        self._before = self._read()
        self._now: dict[str, list[Any]] = {}

    def find(self, path: str, status: os.stat_result) -> tuple[str, bool] | None:
        """The sha256 of the file's contents and whether it had to be converted, if it was found good before."""
        entry = self._before.get(os.path.abspath(path))
        if entry is None or entry[:4] != file_identity(status):
            return None
        self._now[os.path.abspath(path)] = entry
        return str(entry[4]), bool(entry[5])

    def remember(self, path: str, status: os.stat_result, looked_at: float, content_hash: str, converted: bool) -> None:
        """The file is good, which was as ``status`` says at the time ``looked_at``, before it was read."""
        if looked_at - max(status.st_mtime, status.st_ctime) > SETTLED_SECONDS:
            self._now[os.path.abspath(path)] = [*file_identity(status), content_hash, converted]

    def save(self) -> None:
        """Write what is known now; a cache that can't be written costs a check, no more."""
        files = {**self._before, **self._now}
        if files == self._before:
            return
        text = json.dumps({"conditions": self._conditions, "files": files})
        with contextlib.suppress(OSError, TfptError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write_text(self._file, text)

    def _read(self) -> dict[str, list[Any]]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            files = kept["files"] if kept["conditions"] == self._conditions else {}
            return {path: entry for path, entry in files.items() if _is_entry(entry)}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}


def _is_entry(entry: Any) -> bool:
    """The hash has to be one, whatever wrote the file: it becomes the name of another."""
    return isinstance(entry, list) and len(entry) == 6 and _SHA256.fullmatch(str(entry[4])) is not None


def file_identity(status: os.stat_result) -> list[int]:
    """What another file, or the same with other contents, doesn't share: size, both times, inode."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
