"""A CSV with the columns ``path`` and ``label``, a row per image."""

import csv
import io
import os
from collections.abc import Sequence

from tfpt.data.listing import ALL, Listing, holds_control_characters, listed_files, printable
from tfpt.data.natural_sort import natural_sort
from tfpt.errors import DataError

_SHOWN = 5
_SHOWN_LETTERS = 80
_SPLIT_COLUMNS = frozenset({"split", "subset", "partition", "fold"})

_Row = tuple[int, str, str]
"""Its number, as a spreadsheet shows it with the header as row 1, path and label."""


def read_csv(csv_path: str) -> Listing:
    """List the images that a CSV names; paths are relative to the CSV, other columns are ignored.

    Raises:
        DataError: not UTF-8, no such columns, no rows, a row without path or label or with too many values, a label
            of several lines, or a file that isn't there.
    """
    try:
        with open(csv_path, "rb") as stream:
            text = stream.read().decode("utf-8-sig")
        header, rows = _rows(text, csv_path)
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(csv_path)} is not UTF-8 text (byte {error.start}). "
                        "Save it as CSV UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{printable(csv_path)} is not a CSV: {error}.") from error
    if not rows:
        raise DataError(f"{printable(csv_path)} has no rows below its header, one per image was expected.")
    _require_values(csv_path, rows)
    folder = os.path.dirname(csv_path)
    files = [(os.path.join(folder, path), label) for _, path, label in rows]
    _require_files(csv_path, rows, [path for path, _ in files])
    class_names = tuple(natural_sort({label for _, label in files}))
    return Listing(printable(csv_path), class_names, {ALL: listed_files(files, class_names)}, note=_note(header))


def _rows(text: str, csv_path: str) -> tuple[list[str], list[_Row]]:
    """The names of the columns, and every row that isn't blank."""
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip().lower() for name in next(reader, [])]
    if header.count("path") != 1 or header.count("label") != 1:
        once = " once each" if {"path", "label"} <= set(header) else ""
        raise DataError(f"the first row of {printable(csv_path)} must name the columns path and label{once}, separated "
                        f"by commas; found {_shortened(', '.join(header)) or 'nothing'}.")
    path_column, label_column = header.index("path"), header.index("label")
    rows = []
    for number, row in enumerate(reader, start=2):
        if any(value.strip() for value in row[len(header):]):
            raise DataError(f"{printable(csv_path)}: row {number} has more values than the first row has names. Put "
                            "a value that holds a comma into quotation marks.")
        if any(value.strip() for value in row):
            row += [""] * (len(header) - len(row))
            rows.append((number, row[path_column].strip(), row[label_column].strip()))
    return header, rows


def _note(header: Sequence[str]) -> str:
    """What has to be said of the columns that aren't used."""
    found = [name for name in header if name in _SPLIT_COLUMNS]
    return (f"its column {found[0]} is not used, a split of your own is made of folders train/, validation/ and test/"
            if found else "")


def _require_values(csv_path: str, rows: Sequence[_Row]) -> None:
    for column, position in (("label", 2), ("path", 1)):
        empty = [row[0] for row in rows if not row[position]]
        if empty:
            raise DataError(f"{printable(csv_path)}: {_row_numbers(empty)} no {column}. "
                            "Each row needs a path and a label; fill it in or remove the row.")
    broken = [row for row in rows if holds_control_characters(row[2])]
    if broken:
        raise DataError(f"{printable(csv_path)}: {_row_numbers([row[0] for row in broken])} a label with a line break "
                        f"or control character, first '{_shortened(broken[0][2])}'. A label is one line of text; "
                        "perhaps a quotation mark isn't closed.")


def _require_files(csv_path: str, rows: Sequence[_Row], paths: Sequence[str]) -> None:
    missing = [row for row, path in zip(rows, paths, strict=True) if "\0" in path or not os.path.isfile(path)]
    if missing:
        numbers = _row_numbers([row[0] for row in missing])
        raise DataError(f"{printable(csv_path)}: {numbers} a path with no file, first '{_shortened(missing[0][1])}'. "
                        "Paths are relative to the CSV's own folder; correct or remove these rows.")


def _shortened(text: str) -> str:
    return printable(text if len(text) <= _SHOWN_LETTERS else text[:_SHOWN_LETTERS - 1] + "…")


def _row_numbers(numbers: Sequence[int]) -> str:
    """``row 3 has``, ``rows 3, 7 and 9 have``, ``rows 3, 4, 5, 6, 7 and 12 more have``."""
    if len(numbers) == 1:
        return f"row {numbers[0]} has"
    shown = [str(number) for number in numbers[:_SHOWN]]
    last = f"{len(numbers) - _SHOWN:,} more" if len(numbers) > _SHOWN else shown.pop()
    return f"rows {', '.join(shown)} and {last} have"
