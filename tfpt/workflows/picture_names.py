"""What the pictures of examples are called: no two of a call alike, none longer than file systems take."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

LONGEST = 90  # bytes in UTF-8; file systems take 255, of which an ending may have as many


def picture_names(names: Sequence[str], ending: str) -> list[str]:
    """A file name for each of the examples called ``names``, such as ``1.jpg`` or ``photos/birds/1.jpg``.

    It is the name without folders and suffix; where others have the same, with as many folders as tell them apart, or a
    number; then ``ending``. Letters of any script, digits, ``.``, ``_`` and ``-`` are kept.
    """
    parts = [(*PurePath(name).parts[:-1], PurePath(name).stem) for name in names]
    stems = [plain_name(part[-1]) for part in parts]
    for depth in range(2, max(map(len, parts), default=0) + 1):
        counts = Counter(stems)
        stems = [plain_name("-".join(part[-depth:])) if counts[stem] > 1 else stem for stem, part in zip(stems, parts)]
    taken: set[str] = set()
    return [_free(stem, ending, taken) for stem in stems]


def plain_name(text: str) -> str:
    """``text`` as a part of a file's name; a long one keeps its end."""
    kept = re.sub(r"[^\w.-]+", "-", text).strip("-.")
    return kept.encode()[-LONGEST:].decode(errors="ignore") or "picture"


def _free(stem: str, ending: str, taken: set[str]) -> str:
    numbered = (f"{stem}{f'-{number}' if number > 1 else ''}{ending}" for number in itertools.count(1))
    name = next(candidate for candidate in numbered if candidate.lower() not in taken)
    taken.add(name.lower())
    return name
