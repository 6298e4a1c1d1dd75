"""Pictures of a search, as PNG files: the score against every hyper-parameter, and the best so far."""

import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from tfpt.evaluation.figures import CHARACTER_WIDTH, save_figure, shortened
from tfpt.tuning.trial_result import TrialResult, best_result, finite_score
from tfpt.tuning.wording import score_text, value_text

PANELS_A_ROW = 4
PANEL_WIDTH_INCHES, PANEL_HEIGHT_INCHES = 3.2, 2.5
LONGEST_NAME = 32
TICK_POINTS = 8
TICKS_UP_TO_VALUES = 12
BOTTOM_EDGE = 0.03  # of the axes' height
DOT, BEST, FAILED = "#4c78a8", "#e4572e", "#777777"


def draw_scores(results: Sequence[TrialResult], space_names: Sequence[str], objective_name: str, direction: str,
                file: Path, log_names: Collection[str] = ()) -> None:
    """Draw a panel for each hyper-parameter, every trial's score against its value, to ``file``, atomically.

    Those in ``log_names`` get a logarithmic axis. Raises RunError if the file can't be written.
    """
    best = best_result(results, direction)

    def draw(figure: Any) -> None:
        panels = max(1, len(space_names))
        rows = math.ceil(panels / PANELS_A_ROW)
        columns = math.ceil(panels / rows)
        figure.set_size_inches(max(4.5, PANEL_WIDTH_INCHES * columns + 0.5), PANEL_HEIGHT_INCHES * rows + 1)
        axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for panel, name in zip(axes, space_names):
            _draw_panel(panel, name, [result for result in results if name in result.values], best, name in log_names)
        for unused in axes[len(space_names):]:
            unused.set_axis_off()
        figure.supylabel(_score_label(objective_name), fontsize=10)
        _explain(figure, results, best)

    save_figure(draw, file)


def draw_best_so_far(results: Sequence[TrialResult], direction: str, objective_name: str, file: Path) -> None:
    """Draw every trial's score and the best up to it, in the order of their numbers, to ``file``, atomically.

    Raises RunError if the file can't be written.
    """
    ordered = sorted(results, key=lambda result: result.number)
    scored = [(float(result.number), score) for result in ordered if (score := finite_score(result)) is not None]
    best = best_result(ordered, direction)

    def draw(figure: Any) -> None:
        figure.set_size_inches(7, 4)
        axes = figure.subplots()
        numbers = [float(result.number) for result in ordered]
        if scored:
            steps, scores = _columns(scored)
            running = list(itertools.accumulate(scores, max if direction == "max" else min))
            axes.step([*steps, numbers[-1]], [*running, running[-1]], where="post", color=BEST, linewidth=1.5,
                      label="best so far", zorder=1)
        _draw_trials(axes, ordered, numbers, best)
        axes.set(xlabel="trial", ylabel=_score_label(objective_name))
        _whole_ticks(axes, [])
        _explain(figure, ordered, best)

    save_figure(draw, file)


def _draw_panel(axes: Any, name: str, results: Sequence[TrialResult], best: TrialResult | None, is_log: bool) -> None:
    values = [result.values[name] for result in results]
    if all(_is_number(value) for value in values):
        places = [float(value) for value in values]
        if is_log and values and min(places) > 0:
            _log_ticks(axes, places)
        elif all(isinstance(value, int) for value in values):
            _whole_ticks(axes, places)
        else:
            axes.locator_params(axis="x", nbins=5)
    else:
        places = _name_places(axes, values)
    _draw_trials(axes, results, places, best)
    axes.set_xlabel(shortened(name, LONGEST_NAME), fontsize=9, parse_math=False)
    axes.tick_params(labelsize=TICK_POINTS)


def _draw_trials(axes: Any, results: Sequence[TrialResult], places: Sequence[float], best: TrialResult | None) -> None:
    scored = [(place, score) for place, result in zip(places, results) if (score := finite_score(result)) is not None]
    failed = [place for place, result in zip(places, results) if result.status == "failed"]
    chosen = [(place, result.score) for place, result in zip(places, results) if result is best]
    axes.grid(color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.scatter(*_columns(scored), s=26, color=DOT, edgecolor="white", linewidth=0.5, label="trial", zorder=2)
    axes.plot(failed, [BOTTOM_EDGE] * len(failed), linestyle="none", color=FAILED, marker="x", markersize=5,
              transform=axes.get_xaxis_transform(), label="failed", zorder=2)
    axes.scatter(*_columns(chosen), s=130, color=BEST, marker="*", edgecolor="white", linewidth=0.6, label="best",
                 zorder=3)


def _explain(figure: Any, results: Sequence[TrialResult], best: TrialResult | None) -> None:
    """A legend above all panels that also says which trial is best and how many failed; room for the failed."""
    failed = sum(result.status == "failed" for result in results)
    several = sum(finite_score(result) is not None for result in results) > 1
    labels = {"trial": "trial", "best so far": "best so far", "failed": f"{failed} of {len(results)} failed",
              "best": f"best: trial {best.number}, {score_text(best.score or 0)}" if best else ""}
    if best is None:
        figure.axes[0].set_yticks([])
    elif failed:
        low, high = figure.axes[0].get_ylim()
        figure.axes[0].set_ylim(low - 2 * BOTTOM_EDGE * (high - low), high)
    shown = {"trial": several, "best so far": several, "best": best, "failed": failed}
    handles = [(handle, labels[name]) for handle, name in zip(*figure.axes[0].get_legend_handles_labels())
               if shown[name]]
    if handles:
        figure.legend(*_columns(handles), loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)


def _name_places(axes: Any, values: Sequence[Any]) -> list[float]:
    """A place for each value on an axis of names: numbers first, in their order, then all else."""
    found = {repr(value): value for value in values}
    order = sorted(found, key=lambda key: (0, found[key], "") if _is_number(found[key]) else (1, 0, key))
    labels = [value_text(found[key]) for key in order]
    shown = range(0, len(order), max(1, math.ceil(len(order) / TICKS_UP_TO_VALUES)))
    room = 72 * PANEL_WIDTH_INCHES * 0.75 / max(1, len(shown))
    level = max((len(labels[place]) for place in shown), default=0) * CHARACTER_WIDTH * TICK_POINTS < room
    axes.set_xticks(shown, [labels[place] for place in shown], rotation=0 if level else 30,
                    ha="center" if level else "right", rotation_mode="anchor", parse_math=False)
    axes.set_xlim(-0.5, max(1, len(order)) - 0.5)
    return [float(order.index(repr(value))) for value in values]


def _whole_ticks(axes: Any, places: Sequence[float]) -> None:
    """A tick at each of few ``places`` that don't crowd, otherwise at round numbers."""
    from matplotlib.ticker import MaxNLocator

    values = sorted(set(places))
    gaps = [after - before for before, after in itertools.pairwise(values)]
    if gaps and min(gaps) >= (values[-1] - values[0]) / 9:
        axes.set_xticks(values)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))


def _log_ticks(axes: Any, places: Sequence[float]) -> None:
    """Powers of ten; within two of them, 2 and 5 times as well."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    decades = math.log10(max(places) / min(places))
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if decades > 1.5 else (1, 2, 5), numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _score_label(objective_name: str) -> str:
    return f"validation {objective_name.replace('_', ' ')}"


def _columns(pairs: Iterable[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    firsts, seconds = [], []
    for first, second in pairs:
        firsts.append(first)
        seconds.append(second)
    return firsts, seconds
