"""A comparison of runs as text: a column for each run, then a paragraph for each paired test."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfpt.commands.tables import aligned, printable
from tfpt.evaluation.comparison_texts import (
    accuracies_text, left_out_texts, setting_text, short_run_names, verdict)
from tfpt.evaluation.score_texts import SCORES, interval_text, score_text

FINGERPRINT_LETTERS = 12
PARTS = ("train", "validation", "test")


def comparison_lines(found: Mapping[str, Any]) -> list[str]:
    """The lines of ``tfpt compare``; ``found`` is what the workflow returns."""
    names = short_run_names(found["runs"])
    sections = {"settings that differ": _values(found["settings"]), "data": _data(found["data"]),
                "surroundings that differ": _values(found["surroundings"]), "own test": _scores(found["scores"])}
    rows: list[list[object]] = [["", *names]]
    for title, section in sections.items():
        rows += [[title], *section] if section else []
    same = [] if found["settings"] else ["The settings are the same."]
    if found["data"]["same"]:
        same.append(f"The data are the same: {printable(found['data']['summaries'][0])}.")
    tests = [line for name, test in zip(names[1:], found["tests"], strict=True) for line in _test(test, name, names[0])]
    return [*aligned(rows), "", *same, *([""] if same else []), *tests, f"({found['method']}.)"]


def _values(rows: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    return [[f"  {row['name']}", *map(setting_text, row["values"])] for row in rows]


def _data(data: Mapping[str, Any]) -> list[list[object]]:
    """Nothing if they are the same."""
    if data["same"]:
        return []
    rows: list[list[object]] = [["  path", *map(setting_text, data["paths"])]]
    rows += [[f"  {part} examples", *(f"{count:,}" for count in data[part])] for part in PARTS]
    if any(data["classes_only_here"]):
        rows.append(["  classes only here", *(", ".join(names) or "–" for names in data["classes_only_here"])])
    return [*rows, ["  fingerprint", *(text[:FINGERPRINT_LETTERS] for text in data["fingerprints"])]]


def _scores(scores: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    return [[f"  {SCORES.get(row['name'], row['name'].replace('_', ' '))}",
             *(f"{score_text(value)} {interval_text(ends)}".rstrip()
               for value, ends in zip(row["values"], row["intervals"], strict=True))] for row in scores]


def _test(test: Mapping[str, Any], name: str, against: str) -> list[str]:
    left_out = [f"  left out: {text}" for text in left_out_texts(test.get("left_out", {}), name, against)]
    if "why" in test:
        return [printable(f"{name} and {against} are not compared by example: {test['why']}."), *left_out, ""]
    lines = [f"On the {test['examples']:,} test examples of both, {verdict(test, name, against)}:",
             f"  {accuracies_text(test, against)}", *left_out, ""]
    return [printable(line) for line in lines]
