"""What a finished run says of itself: settings, data, scores. Read without TensorFlow, and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpt.config.yaml_text import read_yaml
from tfpt.errors import RunError
from tfpt.evaluation.finished import require_finished
from tfpt.evaluation.score_texts import SCORES
from tfpt.run_directory import Run, find_run
from tfpt.run_manifest import read_manifest
from tfpt.workflows.run_record import checked_record
from tfpt.workflows.run_results import NUMBER, has_shape

DATA = {"train": int, "validation": int, "test": int, "path": str, "summary": str}


@dataclass(frozen=True)
class RunFacts:
    """One finished run.

    Attributes:
        record: what run.json holds.
        settings: the config's values by dotted name.
        scores: of the run's own test, by name.
        intervals: of those scores that have one, the two ends.
    """

    run: Run
    record: Mapping[str, Any]
    settings: Mapping[str, Any]
    scores: Mapping[str, float]
    intervals: Mapping[str, list[float]]

    @property
    def class_names(self) -> list[str]:
        names: list[str] = self.record["metadata"].get("class_names", [])
        return names

    @property
    def data(self) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self.record["data"]
        return data


def read_facts(run: str | Path | Run) -> RunFacts:
    """The facts of a run by itself, its folder or its name. RunError: there is none, it isn't finished, or damaged."""
    run = run if isinstance(run, Run) else find_run(run)
    require_finished(run)
    record = checked_record(run)
    if not has_shape(record.get("data"), DATA):
        raise RunError(f"Expected {run.manifest_file} to hold data, with the number of examples in each part, as a "
                       "training writes it, but it does not: it is damaged. Bring back the original.")
    settings = read_yaml(run.config_text(), str(run.config_file)).values
    if not isinstance(settings, Mapping):
        raise RunError(f"Expected a run's config in {run.config_file}, but found no sections such as data and train in "
                       "it. Bring back the original.")
    scores, intervals = _test_scores(run, record)
    return RunFacts(run, record, leaves(settings), scores, intervals)


def leaves(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            found |= leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _test_scores(run: Run, record: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The numbers in run.json, and what evaluation/test.json has beyond them."""
    metrics = record.get("metrics")
    found = metrics.get("test") if isinstance(metrics, Mapping) else None
    more = read_manifest(run.evaluation / "test.json") if (run.evaluation / "test.json").is_file() else {}
    every = {**{name: more[name] for name in SCORES if name in more}, **(found if isinstance(found, Mapping) else {})}
    intervals = more.get("intervals")
    return ({name: value for name, value in every.items() if has_shape(value, NUMBER)},
            {name: ends for name, ends in (intervals if isinstance(intervals, Mapping) else {}).items()
             if has_shape(ends, [NUMBER]) and len(ends) == 2})
