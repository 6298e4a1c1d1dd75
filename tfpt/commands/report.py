"""An evaluation as text: the scores, a row per class, the confusion matrix."""

from collections.abc import Mapping
from string import ascii_uppercase
from typing import Any

from tfpt.commands.tables import aligned, printable

MATRIX_CLASSES = 20
SHORT_NAME = 4
SCORES = ("precision", "recall", "f1")
TOTALS = {"accuracy": "accuracy {:.3f}", "loss": "loss {:.3f}", "roc_auc": "ROC-AUC {:.3f}"}


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """The lines of ``tfpt evaluate``; ``report`` is what the workflow returns."""
    totals = [text.format(report[name]) for name, text in TOTALS.items() if report.get(name) is not None]
    lines = [" · ".join([f"{report['examples']:,} examples", *totals]), "", *_class_table(report)]
    names = report["class_names"]
    if len(names) <= MATRIX_CLASSES:
        lines += ["", "confusion matrix: a row per true class, a column per predicted class", *_matrix(report, names)]
    return [*lines, "", *report.get("notes", ()), f"written to {printable(report['where'])}"]


def _class_table(report: Mapping[str, Any]) -> list[str]:
    rows: list[list[object]] = [["class", "precision", "recall", "F1", "examples"]]
    for scores in report["per_class"]:
        rows.append([scores["class"], *(f"{scores[name]:.3f}" for name in SCORES), f"{scores['support']:,}"])
    for kind in ("macro", "weighted"):
        rows.append([f"{kind} average", *(f"{report[f'{kind}_{name}']:.3f}" for name in SCORES), ""])
    return aligned(rows, right=(1, 2, 3, 4))


def _matrix(report: Mapping[str, Any], names: list[str]) -> list[str]:
    # Columns are headed by the class, or, where names are long, by a letter that stands before the row's name too.
    letters = [""] * len(names) if max(map(len, names)) <= SHORT_NAME else list(ascii_uppercase[:len(names)])
    rows: list[list[object]] = [["", "", *(letter or name for letter, name in zip(letters, names))]]
    for letter, name, counts in zip(letters, names, report["confusion_matrix"], strict=True):
        rows.append([letter, name, *(count or "·" for count in counts)])
    lines = aligned(rows, right=range(2, len(names) + 2))
    return lines if any(letters) else [line[2:] for line in lines]
