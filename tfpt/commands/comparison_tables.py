"""A comparison of runs as text: a column for each run, then a paragraph for each paired test."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfpt.commands.tables import aligned, printable
from tfpt.evaluation.comparison_texts import (
    accuracies_text, data_rows, left_out_texts, score_rows, setting_from_here, short_run_names, verdict)


def comparison_lines(found: Mapping[str, Any]) -> list[str]:
    """The lines of ``tfpt compare``; ``found`` is what the workflow returns."""
    names = short_run_names(found["runs"])
    sections = {"settings that differ": _values(found["settings"]), "data": data_rows(found["data"], setting_from_here),
                "surroundings that differ": _values(found["surroundings"]), "own test": score_rows(found["scores"])}
    rows: list[list[object]] = [["", *names]]
    for title, section in sections.items():
        rows += [[title]] if section else []
        rows += [[f"  {name}", *values] for name, *values in section]
    same = [] if found["settings"] else ["The settings are the same."]
    if found["data"]["same"]:
        same.append(f"The data are the same: {printable(found['data']['summaries'][0])}.")
    tests = [line for name, test in zip(names[1:], found["tests"], strict=True) for line in _test(test, name, names[0])]
    method = [f"({found['method']}.)"] if any("p_value" in test for test in found["tests"]) else []
    lines = [*aligned(rows), "", *same, *([""] if same else []), *tests, *method]
    return lines if lines[-1] else lines[:-1]


def _values(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [[row["name"], *map(setting_from_here, row["values"])] for row in rows]


def _test(test: Mapping[str, Any], name: str, against: str) -> list[str]:
    left_out = [f"  left out: {text}" for text in left_out_texts(test.get("left_out", {}), name, against)]
    if "why" in test:
        return [printable(line) for line in (f"{name} and {against} are not compared by example: {test['why']}.",
                                             *left_out, "")]
    lines = [f"On the {test['examples']:,} test examples of both, {verdict(test, name, against)}:",
             f"  {accuracies_text(test, against)}", *left_out, ""]
    return [printable(line) for line in lines]
