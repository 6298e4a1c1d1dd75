"""Natural order of names: 1, 2, 10 rather than 1, 10, 2."""

import re
from collections.abc import Iterable

_DIGITS = re.compile(r"([0-9]+)")


def natural_key(name: str) -> tuple[object, ...]:
    """A sort key that compares runs of digits by their value, other text without regard to case.

    Names that differ only in case or in leading zeros are told apart by the name itself, so the order is total.
    """
    pieces: list[object] = []
    for position, piece in enumerate(_DIGITS.split(name)):
        if position % 2:
            # Compared by length first: the order of integers, with no limit on how many digits there are.
            significant = piece.lstrip("0")
            pieces.append((len(significant), significant))
        else:
            pieces.append(piece.casefold())
    return (tuple(pieces), name)


def natural_sort(names: Iterable[str]) -> list[str]:
    """The names in natural order."""
    return sorted(names, key=natural_key)
