"""The page of one run, or of several side by side: one HTML file with all its pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from tfpt.evaluation import pictures
from tfpt.evaluation.comparison_texts import setting_text
from tfpt.evaluation.html import Html, element, escaped, facts, folded, joined, page, picture, table
from tfpt.evaluation.report_comparison import comparison
from tfpt.evaluation.report_plan import plan
from tfpt.evaluation.score_texts import SCORES, interval_text, score_text

SHOWN_LEFT_OUT = 50
MENDED = ("learning_rate", "batch_size", "accumulation_steps", "evaluation_batch_size", "cache")
DESCRIPTIONS = {
    pictures.LEARNING_CURVES: "Learning curves: loss and metrics of training and validation over the epochs, with the "
                              "freeze phases shaded; the numbers are in the table below.",
    pictures.CONFUSION_MATRIX: "Confusion matrix: a row per true class, a column per predicted class.",
    pictures.ROC: "ROC curves of each class against the rest; the legend has the areas.",
    pictures.PRECISION_RECALL: "Precision-recall curves of each class against the rest; the legend has the average "
                               "precisions.",
    pictures.RELIABILITY: "Reliability diagram: accuracy by confidence.",
    pictures.WORST: "The worst predictions with truth and answer; the table below names them."}


@dataclass(frozen=True)
class ReportedRun:
    """What a page shows of a run; what is missing is empty, and ``notes`` say why.

    Attributes:
        record: what run.json holds, its parts of the kind that a training writes.
        settings: the config by dotted name; ``config_text`` is the file.
        scores, intervals: of the run's own test.
        evaluation: what evaluation/test.json holds.
        epochs: the lines of metrics.jsonl.
        pictures: PNG files by the names in ``pictures``.
    """

    name: str
    path: str
    record: Mapping[str, Any]
    settings: Mapping[str, Any]
    config_text: str
    scores: Mapping[str, float]
    intervals: Mapping[str, Sequence[float]]
    evaluation: Mapping[str, Any] | None
    epochs: Sequence[Mapping[str, Any]]
    pictures: Mapping[str, bytes]
    notes: Sequence[str] = ()


Section = Callable[[ReportedRun], Html]


def report_page(runs: Sequence[ReportedRun], compared: Mapping[str, Any] | None) -> str:
    """The page of ``runs``, with what ``compare`` found of them if there are several."""
    title = " · ".join(run.name for run in runs)
    head = element("header", element("h1", title), element(
        "p", f"{runs[0].record['task'].replace('_', ' ')} · a report of tfpt", class_="quiet"))
    sections = SECTIONS
    body = [head]
    if compared is not None:  # the scores are in the comparison
        sections = {name: show for name, show in SECTIONS.items() if show is not _scores}
        body.append(element("section", element("h2", "Compared"), comparison(compared, [run.name for run in runs])))
    shown = [_section(name, show, runs) for name, show in sections.items()]
    return page(title, joined([*body, element("main", *shown, class_="single" if len(runs) == 1 else "several")]))


def _section(title: str, show: Section, runs: Sequence[ReportedRun]) -> Html:
    """A column for each run; nothing if none has anything to show."""
    shown = [show(run) for run in runs]
    if not any(shown):
        return Html("")
    heads = [element("h3", run.name) if len(runs) > 1 else "" for run in runs]
    columns = [element("div", head, content or element("p", "–", class_="quiet"))
               for head, content in zip(heads, shown, strict=True)]
    return element("section", element("h2", title), element("div", *columns, class_="columns"),
                   class_="half" if title in HALF else "whole")


def _overview(run: ReportedRun) -> Html:
    seconds, speed = run.record["wall_seconds"], run.record["examples_per_second"]
    parts = ", ".join(f"{name} {value:.0f}" for name, value in seconds.items() if name != "total" and value >= 0.5)
    time = f"{seconds['total']:.0f} s" + (f": {parts}" if parts else "") if "total" in seconds else None
    weakest = run.evaluation["weakest_class"] if run.evaluation else None
    notes = [*run.notes, *(run.evaluation["notes"] if run.evaluation else ())]
    rows = [("run", run.path), ("data", run.record["data"]["summary"]), ("begun", _moment(run.record["began"])),
            ("time", time), ("speed", None if speed is None else f"{speed:,.0f} examples a second in training"),
            ("kept", run.record["best_epoch"] and f"epoch {run.record['best_epoch']} of {run.record['epochs']}"),
            ("weakest class", weakest and f"{weakest['name']}, F1 {weakest['f1']:.3f}"),
            ("mended", "; ".join(map(_mended, run.record["recoveries"])))]
    return joined([facts(rows), *(element("p", note, class_="note") for note in notes)])


def _scores(run: ReportedRun) -> Html:
    names = [*(name for name in SCORES if name in run.scores), *(name for name in run.scores if name not in SCORES)]
    rows = [(SCORES.get(name, name.replace("_", " ")), score_text(run.scores[name]),
             interval_text(run.intervals.get(name)).strip("()")) for name in names]
    shown = table(("score", "value", "95 % interval"), rows, numbers=(1, 2)) if rows else Html("")
    if run.evaluation is None:
        return shown
    said = f"{run.evaluation['examples']:,} test examples. Intervals of {run.evaluation['interval_method']}."
    return joined([shown, element("p", said, class_="quiet")])


def _learning(run: ReportedRun) -> Html:
    if not run.epochs:
        return Html("")
    names = list(run.epochs[0])
    rows = [[_number(line.get(name)) for name in names] for line in run.epochs]
    every = table([name.replace("_", " ") for name in names], rows, numbers=range(1, len(names)))
    return joined([_figures(run, pictures.LEARNING_CURVES), folded(f"{len(run.epochs):,} epochs in numbers", every)])


def _test(run: ReportedRun) -> Html:
    return _figures(run, pictures.CONFUSION_MATRIX, pictures.RELIABILITY, pictures.ROC, pictures.PRECISION_RECALL)


def _classes(run: ReportedRun) -> Html:
    if run.evaluation is None:
        return Html("")
    rows = [(row["class"], *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")), f"{row['support']:,}")
            for row in run.evaluation["per_class"]]
    rows += [(f"{kind} average", *(f"{run.evaluation[f'{kind}_{name}']:.3f}" for name in ("precision", "recall", "f1")),
              "") for kind in ("macro", "weighted")]
    shown = table(("class", "precision", "recall", "F1", "examples"), rows, numbers=(1, 2, 3, 4))
    return shown if len(rows) <= 22 else folded(f"{len(rows) - 2:,} classes", shown)


def _worst(run: ReportedRun) -> Html:
    if run.evaluation is None or not run.evaluation["worst"]:
        return Html("")
    rows = [(row["name"], row["truth"], f"{row['truth_score']:.3f}", row["predicted"], f"{row['score']:.3f}",
             f"{row['loss']:.2f}") for row in run.evaluation["worst"]]
    named = table(("example", "is", "probability", "said", "probability", "loss"), rows, numbers=(2, 4, 5))
    return joined([_figures(run, pictures.WORST), folded("their names", named)])


def _config(run: ReportedRun) -> Html:
    return folded("config.yaml", element("pre", run.config_text))


def _environment(run: ReportedRun) -> Html:
    left_out = run.record["data"]["left_out"]
    rows = [(name, setting_text(value)) for part in ("versions", "environment")
            for name, value in run.record[part].items()]
    named = [element("li", f"{item['path']}: {item['why']}") for item in left_out[:SHOWN_LEFT_OUT]]
    more = len(left_out) - SHOWN_LEFT_OUT
    if more > 0:
        named.append(element("li", f"and {more:,} more, in run.json"))
    return joined([
        facts([("fingerprint of the data", run.record["fingerprints"]["data"]), ("seed", run.record["seed"])]),
        folded("versions and devices", facts(rows)) if rows else "",
        folded(f"{len(left_out):,} files left out", element("ul", *named)) if left_out else ""])


def _figures(run: ReportedRun, *names: str) -> Html:
    shown = [element("figure", picture(run.pictures[name], DESCRIPTIONS[name])) for name in names
             if name in run.pictures]
    return element("div", *shown, class_="figures") if shown else Html("")


def _mended(recovery: Mapping[str, Any]) -> str:
    """``epoch 3: diverged, then learning rate 0.0005``."""
    done = [f"{name.replace('_', ' ')} {setting_text(recovery[name])}" for name in MENDED if name in recovery]
    return f"epoch {recovery['epoch']}: {recovery['what']}" + (f", then {', '.join(done)}" if done else "")


def _moment(began: str) -> str:
    """``2026-01-02 03:04 UTC`` of ISO 8601."""
    try:
        return f"{datetime.fromisoformat(began).astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return ""


def _number(value: Any) -> Html:
    return escaped("–" if value is None else value if isinstance(value, int) else f"{value:.4f}")


SECTIONS: dict[str, Section] = {
    "Overview": _overview, "Scores": _scores, "Plan": lambda run: plan(run.record, run.settings), "Classes": _classes,
    "Learning curves": _learning, "Test": _test, "Worst predictions": _worst, "Config": _config,
    "Surroundings": _environment}
HALF = ("Overview", "Scores", "Plan", "Classes", "Config", "Surroundings")
"""Two of these go side by side on the page of a single run."""
