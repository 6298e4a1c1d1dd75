"""A comparison of runs in words, the same on the screen and on a page."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpt.evaluation.score_texts import SCORES, interval_text, score_text

PARTS = ("train", "validation", "test")
FINGERPRINT_LETTERS = 12
SIGNIFICANT = 0.05
SMALLEST_P = 0.0001


def short_run_names(runs: Sequence[str]) -> list[str]:
    """The names of runs given as folders; as much of the folder with them as it takes to tell two apart."""
    names = [Path(run).resolve().name for run in runs]
    return names if len(set(names)) == len(names) else list(runs)


def setting_from_here(value: Any) -> str:
    """A setting as ``--set`` takes it, a path from the working directory."""
    return os.path.relpath(value) if isinstance(value, str) and os.path.isabs(value) else setting_text(value)


def setting_text(value: Any) -> str:
    """A setting as ``--set`` takes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def score_rows(scores: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row for each score: what it is called, then each run's with its interval."""
    return [[SCORES.get(row["name"], row["name"].replace("_", " ")),
             *(f"{score_text(value)} {interval_text(ends)}".rstrip()
               for value, ends in zip(row["values"], row["intervals"], strict=True))] for row in scores]


def data_rows(data: Mapping[str, Any], path_text: Callable[[Any], str]) -> list[list[str]]:
    """What differing data are, a row each: what is told, then of each run; none if the data are the same."""
    if data["same"]:
        return []
    rows = [["path", *map(path_text, data["paths"])]]
    rows += [[f"{part} examples", *(f"{count:,}" for count in data[part])] for part in PARTS]
    if any(data["classes_only_here"]):
        rows.append(["classes only here", *(", ".join(names) or "–" for names in data["classes_only_here"])])
    return [*rows, ["fingerprint", *(text[:FINGERPRINT_LETTERS] for text in data["fingerprints"])]]


def signed(value: float) -> str:
    """``+0.012``, ``−0.100``, ``0.000``."""
    digits = f"{abs(value):.3f}"
    return digits if float(digits) == 0 else f"{'+' if value > 0 else '−'}{digits}"


def difference_text(test: Mapping[str, Any]) -> str:
    """``−0.082 (−0.119 to −0.048)``: a test's difference of accuracies and its interval, if it has one."""
    ends = "" if test["interval"] is None else f" ({signed(test['interval'][0])} to {signed(test['interval'][1])})"
    return signed(test["difference"]) + ends


def p_text(test: Mapping[str, Any]) -> str:
    """``p = 0.0123``, ``p < 0.0001``; adjusted, if there are several tests."""
    value = test["adjusted_p_value"]
    text = f"p < {SMALLEST_P}" if value < SMALLEST_P else f"p = {value:.4f}"
    return text + (", adjusted" if value != test["p_value"] else "")


def verdict(test: Mapping[str, Any], name: str, against: str) -> str:
    """A sentence: which of the two is better, as far as the test shows."""
    if test["adjusted_p_value"] >= SIGNIFICANT:
        return f"no difference between {name} and {against} is shown ({p_text(test)})"
    return f"{name} is {'better' if test['difference'] > 0 else 'worse'} than {against} ({p_text(test)})"


def accuracies_text(test: Mapping[str, Any], against: str) -> str:
    """``accuracy 0.900 against 0.981, …``: what the verdict rests on."""
    return (f"accuracy {score_text(test['second_accuracy'])} against {score_text(test['first_accuracy'])}, "
            f"{difference_text(test)} · it alone is right on {test['only_second']:,}, {against} alone on "
            f"{test['only_first']:,}")


def left_out_texts(left_out: Mapping[str, int], name: str, against: str) -> list[str]:
    """What of the two tests could not be compared, a phrase for each reason."""
    reasons = {
        "of_this_test_that_the_first_run_was_trained_on": f"of {name}'s test: {against} was trained on them",
        "of_the_first_test_that_this_run_was_trained_on": f"of {against}'s test: {name} was trained on them",
        "in_this_test_alone": f"that are in {name}'s test alone", "in_the_first_test_alone":
            f"that are in {against}'s test alone", "labelled_differently": "whose class differs between the runs"}
    return [f"{left_out[reason]:,} {text}" for reason, text in reasons.items() if left_out.get(reason)]
