"""An evaluation as text: the scores with their intervals, a row per class, the confusion matrix."""

from collections.abc import Mapping
from string import ascii_uppercase
from typing import Any

from tfpt.commands.tables import aligned, printable
from tfpt.evaluation.score_texts import SCORES, interval_text, score_text

MATRIX_CLASSES = 20
SHORT_NAME = 4
CLASS_SCORES = ("precision", "recall", "f1")


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """The lines of ``tfpt evaluate``; ``report`` is what the workflow returns."""
    flipped = " · mean of the answers to each and to its mirror image" if report["flip"] else ""
    lines = [f"{report['examples']:,} examples{flipped}", "", *_scores(report), "", *_class_table(report)]
    names = report["class_names"]
    if len(names) <= MATRIX_CLASSES:
        lines += ["", "confusion matrix: a row per true class, a column per predicted class", *_matrix(report, names)]
    lines += ["", *report["notes"], f"written to {printable(report['where'])}"]
    pictures = ", ".join(printable(file.removesuffix(".png")) for file in report["pictures"])
    return [*lines, *([f"pictures beside it: {pictures}"] if pictures else [])]


def _scores(report: Mapping[str, Any]) -> list[str]:
    rows = [[title, score_text(report[name]), interval_text(report["intervals"].get(name))]
            for name, title in SCORES.items() if report.get(name) is not None]
    return [*aligned(rows), f"intervals of {report['interval_method']}"]


def _class_table(report: Mapping[str, Any]) -> list[str]:
    rows: list[list[object]] = [["class", "precision", "recall", "F1", "examples"]]
    for scores in report["per_class"]:
        rows.append([scores["class"], *(f"{scores[name]:.3f}" for name in CLASS_SCORES), f"{scores['support']:,}"])
    for kind in ("macro", "weighted"):
        rows.append([f"{kind} average", *(f"{report[f'{kind}_{name}']:.3f}" for name in CLASS_SCORES), ""])
    return aligned(rows, right=(1, 2, 3, 4))


def _matrix(report: Mapping[str, Any], names: list[str]) -> list[str]:
    # Columns are headed by the class, or, where names are long, by a letter that stands before the row's name too.
    letters = [""] * len(names) if max(map(len, names)) <= SHORT_NAME else list(ascii_uppercase[:len(names)])
    rows: list[list[object]] = [["", "", *(letter or name for letter, name in zip(letters, names))]]
    for letter, name, counts in zip(letters, names, report["confusion_matrix"], strict=True):
        rows.append([letter, name, *(count or "·" for count in counts)])
    lines = aligned(rows, right=range(2, len(names) + 2))
    return lines if any(letters) else [line[2:] for line in lines]
