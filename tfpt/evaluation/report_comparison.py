"""What ``compare`` found of several runs, as part of their page."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfpt.evaluation.comparison_texts import (
    accuracies_text, data_rows, left_out_texts, score_rows, setting_text, verdict)
from tfpt.evaluation.html import Html, element, joined, table


def comparison(found: Mapping[str, Any], names: Sequence[str]) -> Html:
    """Scores side by side, paired tests, and what differs; ``names`` are the runs'."""
    scores = score_rows(found["scores"])
    differing = [(row["name"], *map(setting_text, row["values"]))
                 for row in (*found["settings"], *found["surroundings"])]
    method = element("p", f"{found['method']}.", class_="quiet")
    return joined([
        table(("own test", *names), scores, numbers=range(1, len(names) + 1)) if scores else "",
        *(_test(test, name, names[0]) for test, name in zip(found["tests"], names[1:], strict=True)),
        method if any("p_value" in test for test in found["tests"]) else "",
        table(("what differs", *names), differing) if differing else element("p", "The settings are the same."),
        _data(found["data"], names)])


def _test(test: Mapping[str, Any], name: str, against: str) -> Html:
    left_out = [element("li", f"left out: {text}") for text in left_out_texts(test.get("left_out", {}), name, against)]
    items = element("ul", *left_out) if left_out else ""
    if "why" in test:
        return joined([element("p", f"{name} and {against} are not compared by example: {test['why']}."), items])
    found = f"On the {test['examples']:,} test examples of both, {verdict(test, name, against)}."
    numbers = accuracies_text(test, against)
    return joined([element("p", element("strong", found), f" {numbers[0].upper()}{numbers[1:]}."), items])


def _data(data: Mapping[str, Any], names: Sequence[str]) -> Html:
    if data["same"]:
        return element("p", f"The data are the same: {data['summaries'][0]}.")
    return table(("data", *names), data_rows(data, setting_text))
