"""Predictions as text, JSON lines or CSV, each printed as soon as it is known."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from tfpt.commands.failures import say
from tfpt.commands.tables import printable

Predictions = Iterable[Mapping[str, Any]]


def write_text(predictions: Predictions, top: int) -> int:
    """``input  label score  label score…``; broken inputs go to stderr. Returns how many were broken."""
    def line(found: Mapping[str, Any]) -> str:
        return printable(found["input"]) + "".join(
            f"  {printable(item['label'])} {item['score']:.3f}" for item in found["top"])

    return write_lines(predictions, line, broken_to_stdout=False)


def write_json(predictions: Predictions, top: int) -> int:
    """A JSON object per line, broken inputs with ``error``. Returns how many were broken."""
    return write_lines(predictions, json.dumps, broken_to_stdout=True)


def write_csv(predictions: Predictions, top: int) -> int:
    """Columns input, label, score, label_2, score_2… up to ``top``, error. Returns how many were broken."""
    header = ["input"] + [f"{name}{f'_{rank}' if rank > 1 else ''}" for rank in range(1, top + 1)
                          for name in ("label", "score")] + ["error"]

    def line(found: Mapping[str, Any]) -> str:
        cells = [cell for item in found.get("top", ()) for cell in (item["label"], f"{item['score']:.6g}")]
        return _csv_line([found["input"], *(cells + [""] * (2 * top))[:2 * top], found.get("error", "")])

    click.echo(_csv_line(header))
    return write_lines(predictions, line, broken_to_stdout=True)


FORMATS: dict[str, Callable[[Predictions, int], int]] = {"text": write_text, "json": write_json, "csv": write_csv}


def write_lines(predictions: Predictions, line: Callable[[Mapping[str, Any]], str], *, broken_to_stdout: bool) -> int:
    """Prints each one's ``line``, or says why its input is broken. Returns how many were broken."""
    broken = 0
    for found in predictions:
        broken += "error" in found
        if "error" in found and not broken_to_stdout:
            say(f"{printable(found['input'])}: {found['error']}")
        else:
            click.echo(line(found))
    return broken


def _csv_line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
