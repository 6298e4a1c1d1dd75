"""ROC and precision–recall curves of a classifier, each class against the rest, as PNG files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.evaluation.figures import COLOURS, STYLES, plain_axes, plain_text, save_figure, shortened

ALL_UP_TO_CLASSES, WEAKEST = 10, 5
MOST_CELLS = 5_000_000
"""Examples × classes that curves are made of; of more, examples are left out evenly."""
GRID_POINTS = 1001


@dataclass(frozen=True, eq=False)
class Curve:
    """``score`` is the area under the curve, or average precision."""

    x: np.ndarray
    y: np.ndarray
    score: float


Measure = Callable[[np.ndarray, np.ndarray], Curve]  # from whether each is positive, and its score


def roc_png(probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str], file: Path) -> None:
    """Draw the true against the false positive rate at every threshold to ``file``, atomically.

    Args:
        probabilities: float ``[examples, classes]``.
        labels: int ``[examples]``, at least two classes among them.

    Of two classes there is the second one's curve, of up to 10 one each, of more the 5 with the least area; for three
    and more, also the mean of all classes (macro) and the curve of all pairs of example and class together (micro).
    """
    wanted = [1] if len(class_names) == 2 else range(len(class_names))
    figure = _Figure("ROC, one class against the rest", "false positive rate", "true positive rate", "area", "default")
    _save(figure, _roc, wanted, probabilities, labels, class_names, file)


def precision_recall_png(probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str],
                         file: Path) -> None:
    """Draw precision against recall at every threshold, as ``roc_png`` does; of two classes both have a curve."""
    figure = _Figure("Precision and recall, one class against the rest", "recall", "precision", "average precision",
                     "steps-post")
    _save(figure, _precision_recall, range(len(class_names)), probabilities, labels, class_names, file)


@dataclass(frozen=True)
class _Figure:
    title: str
    x_label: str
    y_label: str
    score: str
    drawstyle: str


def _save(texts: _Figure, measure: Measure, wanted: Sequence[int], probabilities: np.ndarray, labels: np.ndarray,
          class_names: Sequence[str], file: Path) -> None:
    examples, classes = probabilities.shape
    kept = np.linspace(0, examples - 1, min(examples, max(1, MOST_CELLS // classes))).astype(np.int64)
    probabilities, labels = probabilities[kept], labels[kept]
    tested = [number for number in wanted if 0 < np.count_nonzero(labels == number) < len(labels)]
    curves = {number: measure(labels == number, probabilities[:, number]) for number in tested}
    shown = curves
    notes = [] if len(kept) == examples else [f"{len(kept):,} of {examples:,} examples"]
    if len(curves) > ALL_UP_TO_CLASSES:
        weakest = sorted(curves, key=lambda number: curves[number].score)[:WEAKEST]
        shown = {number: curves[number] for number in weakest}
        notes.append(f"the {WEAKEST} weakest of {len(curves):,} classes")
    if len(tested) < len(wanted):
        notes.append(f"no curve of {len(wanted) - len(tested):,} classes, which have no examples")
    lines = {shortened(class_names[number]): curve for number, curve in shown.items()}
    averages = {}
    if classes > 2:
        truth = labels[:, np.newaxis] == np.arange(classes)
        averages = {"mean of all classes (macro)": _mean(list(curves.values()), texts.drawstyle),
                    "all pairs together (micro)": measure(truth.ravel(), probabilities.ravel())}
    save_figure(lambda figure: _draw(figure, texts, averages, lines, notes), file)


def _roc(positive: np.ndarray, scores: np.ndarray) -> Curve:
    from sklearn.metrics import auc, roc_curve

    false_rate, true_rate, _ = roc_curve(positive, scores)
    return Curve(false_rate, true_rate, float(auc(false_rate, true_rate)))


def _precision_recall(positive: np.ndarray, scores: np.ndarray) -> Curve:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    precision, recall, _ = precision_recall_curve(positive, scores, drop_intermediate=True)
    return Curve(recall, precision, float(average_precision_score(positive, scores)))


def _mean(curves: Sequence[Curve], drawstyle: str) -> Curve:
    """The mean over ``curves`` of y at each x, between whose points y is level (steps) or rises evenly."""
    grid = np.linspace(0, 1, GRID_POINTS)
    if drawstyle == "default":
        heights = [np.interp(grid, curve.x, curve.y) for curve in curves]
    else:  # x falls; the height at x is that of the next point on the right
        grid = grid[::-1]
        heights = [curve.y[::-1][np.searchsorted(curve.x[::-1], grid)] for curve in curves]
    return Curve(grid, np.mean(heights, axis=0), float(np.mean([curve.score for curve in curves])))


def _draw(figure: Any, texts: _Figure, averages: dict[str, Curve], lines: dict[str, Curve],
          notes: Sequence[str]) -> None:
    figure.set_size_inches(7.6, 4.6)
    axes = figure.subplots()
    plain_axes(axes)
    if texts.drawstyle == "default":
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=":")
    for number, (name, curve) in enumerate(averages.items()):
        axes.plot(curve.x, curve.y, color="black", linewidth=2, linestyle=STYLES[number], drawstyle=texts.drawstyle,
                  label=f"{curve.score:.4f}  {name}", zorder=3)
    for number, (name, curve) in enumerate(lines.items()):
        style = STYLES[number // 3 % len(STYLES)]
        axes.plot(curve.x, curve.y, color=COLOURS[number % len(COLOURS)], linewidth=1.2, linestyle=style,
                  drawstyle=texts.drawstyle, label=f"{curve.score:.4f}  {name}")
    axes.set(xlabel=texts.x_label, ylabel=texts.y_label, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_title("\n".join([texts.title, *(["; ".join(notes)] if notes else [])]), fontsize=11)
    legend = figure.legend(loc="outside right upper", frameon=False, fontsize=9, title=texts.score,
                           alignment="left")
    plain_text(legend.get_texts())
