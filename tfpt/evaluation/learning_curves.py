"""Loss and metrics over the epochs, with the freeze phases behind them, as a PNG file."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpt.evaluation.figures import COLOURS, plain_axes, plain_text, save_figure
from tfpt.evaluation.phase_texts import epochs_text, unfrozen_text

SHADES = ("#e3ebf4", "#fbeedd", "#e3f1e2", "#f1e6ee")
VALIDATION = "validation_"
PHASES_NAMED = 6


def learning_curves_png(epochs: Sequence[Mapping[str, Any]], phases: Sequence[Mapping[str, Any]],
                        best_epoch: int | None, file: Path) -> None:
    """Draw a panel for each metric that training and validation share to ``file``, atomically.

    Args:
        epochs: the lines of metrics.jsonl, at least one.
        phases: as run.json has them.
        best_epoch: whose model was kept.
    """
    save_figure(lambda figure: _draw(figure, epochs, phases, best_epoch), file)


def shared_metrics(epochs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of which there is a ``validation_`` one too, in the order of the file."""
    return [name for name in epochs[0] if VALIDATION + name in epochs[0]]


def _draw(figure: Any, epochs: Sequence[Mapping[str, Any]], phases: Sequence[Mapping[str, Any]],
          best_epoch: int | None) -> None:
    names = shared_metrics(epochs)
    figure.set_size_inches(4.6 * len(names) + 0.2, 4.0)
    numbers = [line["epoch"] for line in epochs]
    few = {"marker": "o", "markersize": 3} if len(numbers) <= 30 else {}
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        plain_axes(axes)
        _shade(axes, phases, numbers[-1])
        axes.plot(numbers, _values(epochs, name), color=COLOURS[0], label="training", **few)
        axes.plot(numbers, _values(epochs, VALIDATION + name), color=COLOURS[4], linestyle="--", label="validation",
                  **few)
        if best_epoch in numbers:
            axes.axvline(best_epoch, color="#444444", linewidth=1, linestyle=":", label=f"kept: epoch {best_epoch}")
        axes.set(xlabel="epoch", ylabel=name.replace("_", " "), xlim=(numbers[0] - 0.5, numbers[-1] + 0.5))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    handles, texts = figure.axes[0].get_legend_handles_labels()
    legend = figure.legend(handles, texts, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    plain_text(legend.get_texts())


def _shade(axes: Any, phases: Sequence[Mapping[str, Any]], last_epoch: int) -> None:
    begun = [phase for phase in phases if phase["from_epoch"] <= last_epoch]
    for number, phase in enumerate(begun):
        last = min(phase["to_epoch"], last_epoch)
        what = unfrozen_text(phase["unfreeze"], phase["units"], phase["batch_norm"] == "train")
        text = f"{epochs_text(phase['from_epoch'], last)}: {what}"
        axes.axvspan(phase["from_epoch"] - 0.5, last + 0.5, color=SHADES[number % len(SHADES)], linewidth=0,
                     label=text if number < PHASES_NAMED else None)
        if number:
            axes.axvline(phase["from_epoch"] - 0.5, color="white", linewidth=1.5)


def _values(epochs: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """A metric's value in each epoch; NaN where it was not finite, which a file can't hold."""
    return [math.nan if line.get(name) is None else float(line[name]) for line in epochs]
