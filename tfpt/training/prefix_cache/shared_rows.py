"""Open rows that several prefix caches of the same data have in common, as those of a search's models."""

import contextlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from tfpt.training.prefix_cache.rows import CutRows


@dataclass(frozen=True, eq=False)
class _Used:
    rows: CutRows
    users: set[Hashable]


class SharedRows:
    """Rows under a key each, open as long as anybody has use for them.

    ``notices`` are the sentences for the user of all the caches: a disk may fail under one cache's training on rows
    that another has opened.
    """

    def __init__(self) -> None:
        self.notices: list[str] = []
        self._open: dict[Hashable, _Used] = {}

    def take(self, user: Hashable, key: Hashable, make: Callable[[], CutRows]) -> CutRows:
        """The rows under ``key``, made now if there are none. ``user`` has use for them from now on."""
        if key not in self._open:
            self._open[key] = _Used(make(), set())
        self._open[key].users.add(user)
        return self._open[key].rows

    def leave(self, user: Hashable, rows: CutRows | None = None) -> None:
        """``user`` has no use for ``rows`` any more; without them, for any."""
        for key, used in list(self._open.items()):
            if rows is None or used.rows is rows:
                used.users.discard(user)
            if not used.users:
                del self._open[key]
                with contextlib.closing(used.rows) as unused:
                    unused.finish()

    @property
    def memory_bytes(self) -> int:
        """What all of them take in memory."""
        return sum(used.rows.memory_bytes for used in self._open.values())

    @property
    def folder_names(self) -> list[str]:
        """The folders of those that are on disk."""
        return [used.rows.folder.path.name for used in self._open.values() if used.rows.folder]
