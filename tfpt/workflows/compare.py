"""``tfpt compare``: what differs between finished runs, and whether one is better on the test examples they share."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tfpt.errors import UsageError
from tfpt.evaluation.common_examples import CommonExamples, common_examples, right
from tfpt.evaluation.comparison_texts import PARTS
from tfpt.evaluation.paired_test import METHOD, holm, paired_test
from tfpt.evaluation.score_texts import SCORES
from tfpt.evaluation.stored_predictions import StoredPredictions, read_predictions
from tfpt.run_directory import Run, find_run
from tfpt.workflows.run_facts import RunFacts, leaves, read_facts

NOT_SET = "(not set)"
"""The value of a setting that another version of tfpt doesn't have."""


def compare(runs: Sequence[str | Path | Run]) -> dict[str, Any]:
    """Compare finished runs of one task; the others with the first.

    Args:
        runs: two or more, each by itself, its folder or its name.

    Returns:
        ``task``, ``runs`` (their folders), ``settings`` and ``surroundings`` (what differs: ``name``, ``values``),
        ``data``, ``scores`` (of each run's own test), ``tests`` (a paired test for each run after the first) and
        ``method``, JSON-able. A test that can't be made has ``why``.

    Raises:
        UsageError: fewer than two runs, one named twice, or runs of several tasks.
        RunError: no such run, an unfinished one, or a damaged one.
    """
    facts = read_comparable(runs)
    predictions = [_predictions(fact) for fact in facts]
    tests = [_test(facts[0], predictions[0], fact, other)
             for fact, other in zip(facts[1:], predictions[1:], strict=True)]
    made = [test for test in tests if "p_value" in test]
    for test, adjusted in zip(made, holm([test["p_value"] for test in made]), strict=True):
        test["adjusted_p_value"] = adjusted
    return {"task": facts[0].record["task"], "runs": [str(fact.run.path) for fact in facts],
            "settings": _differing([fact.settings for fact in facts]), "data": _data(facts), "scores": _scores(facts),
            "surroundings": _differing([leaves({name: fact.record.get(name) for name in ("versions", "environment")})
                                        for fact in facts]),
            "tests": tests,
            "method": METHOD + (f"; p-values adjusted for {len(made)} comparisons (Holm 1979)" if made[1:] else "")}


def read_comparable(runs: Sequence[str | Path | Run]) -> list[RunFacts]:
    """The facts of two or more different runs of one task; else UsageError, or RunError."""
    if len(runs) < 2:
        raise UsageError(f"Expected two runs or more to compare, but found {len(runs)}. Name another one; `tfpt runs` "
                         "lists them.")
    found = [run if isinstance(run, Run) else find_run(run) for run in runs]
    places = [run.path.resolve() for run in found]
    twice = next((run for number, run in enumerate(found) if places[number] in places[:number]), None)
    if twice is not None:
        raise UsageError(f"Expected different runs to compare, but {twice.path} is named twice. Name another one; "
                         "`tfpt runs` lists them.")
    facts = [read_facts(run) for run in found]
    tasks = [fact.record["task"] for fact in facts]
    if len(set(tasks)) > 1:
        other = next(number for number, task in enumerate(tasks) if task != tasks[0])
        raise UsageError(f"Expected runs of one task, but {facts[0].run.path} is of {tasks[0]} and "
                         f"{facts[other].run.path} of {tasks[other]}: their scores don't mean the same.")
    return facts


def _differing(columns: Sequence[dict[str, Any] | Any]) -> list[dict[str, Any]]:
    """The names whose values differ, in the order in which they are found."""
    names = {name: None for column in columns for name in column}
    rows = [{"name": name, "values": [column.get(name, NOT_SET) for column in columns]} for name in names]
    return [row for row in rows if any(value != row["values"][0] for value in row["values"])]


def _data(facts: Sequence[RunFacts]) -> dict[str, Any]:
    fingerprints = [fact.record["fingerprints"]["data"] for fact in facts]
    classes = [set(fact.class_names) for fact in facts]
    return {"same": len(set(fingerprints)) == 1, "fingerprints": fingerprints,
            "paths": [fact.data["path"] for fact in facts], "summaries": [fact.data["summary"] for fact in facts],
            **{part: [fact.data[part] for fact in facts] for part in PARTS},
            "classes_only_here": [sorted(own - classes[0].intersection(*classes)) for own in classes]}


def _scores(facts: Sequence[RunFacts]) -> list[dict[str, Any]]:
    """Those that all runs have, the usual ones first."""
    names = [*SCORES, *(name for name in facts[0].scores if name not in SCORES)]
    return [{"name": name, "values": [fact.scores[name] for fact in facts],
             "intervals": [fact.intervals.get(name) for fact in facts]}
            for name in names if all(name in fact.scores for fact in facts)]


def _predictions(fact: RunFacts) -> StoredPredictions | str:
    """What the run's model said of its test examples, or why that isn't known."""
    found = read_predictions(fact.run.predictions_file)
    if found is None:
        return (f"{fact.run.predictions_file} is missing: `tfpt evaluate {fact.run.path}` writes it, if the run's data "
                "are there")
    if found.answers.probabilities.shape[1] != len(fact.class_names):
        return (f"{fact.run.predictions_file} is of {found.answers.probabilities.shape[1]} classes, the run of "
                f"{len(fact.class_names)}: `tfpt evaluate {fact.run.path}` writes it anew")
    return found


def _test(first: RunFacts, ours: StoredPredictions | str, second: RunFacts,
          theirs: StoredPredictions | str) -> dict[str, Any]:
    head = {"run": str(second.run.path), "against": str(first.run.path)}
    missing = [why for why in (ours, theirs) if isinstance(why, str)]
    if isinstance(ours, str) or isinstance(theirs, str):
        return {**head, "why": "; ".join(missing)}
    common = common_examples(ours, first.class_names, theirs, second.class_names)
    left_out = _left_out(common)
    if not len(common.first):
        return {**head, "left_out": left_out, "why": "the two tests have no example in common"}
    return {**head, **asdict(paired_test(right(ours, common.first), right(theirs, common.second))),
            "left_out": left_out}


def _left_out(common: CommonExamples) -> dict[str, int]:
    """Examples of either test that are not compared, by the reason."""
    return {"of_this_test_that_the_first_run_was_trained_on": common.first_trained_on,
            "of_the_first_test_that_this_run_was_trained_on": common.second_trained_on,
            "in_this_test_alone": common.only_second, "in_the_first_test_alone": common.only_first,
            "labelled_differently": common.labelled_differently}
