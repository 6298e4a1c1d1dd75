"""Aligned plain text that reads well without colour, in a terminal and in a pipe."""

from collections.abc import Sequence

from rich.cells import cell_len


def printable(text: object) -> str:
    """``text`` with control characters and undecodable bytes escaped: a file's name must not steer the terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(text))


def aligned(rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()) -> list[str]:
    """``rows`` as lines with columns two spaces apart; the columns numbered in ``right`` end flush right.

    Widths are in terminal cells, so that class names in any script line up.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    columns = max((len(row) for row in cells), default=0)
    widths = [max((cell_len(row[column]) for row in cells if column < len(row)), default=0)
              for column in range(columns)]
    return ["  ".join(_padded(cell, widths[column], column in right) for column, cell in enumerate(row)).rstrip()
            for row in cells]


def _padded(cell: str, width: int, right: bool) -> str:
    space = " " * (width - cell_len(cell))
    return space + cell if right else cell + space
