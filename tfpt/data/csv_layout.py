"""A CSV with the columns ``path`` and ``label``, a row per image."""

import csv
import os
from collections.abc import Iterator, Sequence

from tfpt.data.listing import ALL, Listing, listed_files, printable
from tfpt.data.natural_sort import natural_sort
from tfpt.errors import DataError

_SHOWN = 5


def read_csv(csv_path: str) -> Listing:
    """List the images that a CSV names; paths are relative to the CSV, other columns are ignored.

    Raises:
        DataError: not UTF-8, no such columns, no rows, a row without path or label, or a file that isn't there.
            Rows are counted as a spreadsheet shows them: the header is row 1.
    """
    try:
        with open(csv_path, newline="", encoding="utf-8-sig") as stream:
            rows = list(_rows(stream, csv_path))
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
    return Listing(printable(csv_path), class_names, {ALL: listed_files(files, class_names)})


def _rows(stream: Iterator[str], csv_path: str) -> Iterator[tuple[int, str, str]]:
    """(row number, path, label) of every row that isn't blank."""
    reader = csv.reader(stream)
    header = [name.strip().lower() for name in next(reader, [])]
    if "path" not in header or "label" not in header:
        found = ", ".join(header) or "nothing"
        raise DataError(f"the first row of {printable(csv_path)} must name the columns path and label, separated by "
                        f"commas; found {printable(found)}.")
    path_column, label_column = header.index("path"), header.index("label")
    for number, row in enumerate(reader, start=2):
        if any(value.strip() for value in row):
            row += [""] * (len(header) - len(row))
            yield number, row[path_column].strip(), row[label_column].strip()


def _require_values(csv_path: str, rows: Sequence[tuple[int, str, str]]) -> None:
    for column, position in (("label", 2), ("path", 1)):
        empty = [row[0] for row in rows if not row[position]]
        if empty:
            raise DataError(f"{printable(csv_path)}: {_row_numbers(empty)} no {column}. "
                            "Each row needs a path and a label; fill it in or remove the row.")


def _require_files(csv_path: str, rows: Sequence[tuple[int, str, str]], paths: Sequence[str]) -> None:
    missing = [row for row, path in zip(rows, paths, strict=True) if "\0" in path or not os.path.isfile(path)]
    if missing:
        numbers = _row_numbers([row[0] for row in missing])
        raise DataError(f"{printable(csv_path)}: {numbers} a path with no file, first {missing[0][1]!r}. Paths are "
                        "relative to the CSV's own folder; correct or remove these rows.")


def _row_numbers(numbers: Sequence[int]) -> str:
    """``row 3 has``, ``rows 3, 7 and 9 have``, ``rows 3, 4, 5, 6, 7 and 12 more have``."""
    if len(numbers) == 1:
        return f"row {numbers[0]} has"
    shown = [str(number) for number in numbers[:_SHOWN]]
    last = f"{len(numbers) - _SHOWN:,} more" if len(numbers) > _SHOWN else shown.pop()
    return f"rows {', '.join(shown)} and {last} have"
