"""What a person sees while a model trains: a progress bar on a terminal, a line per epoch everywhere."""

import sys
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

LABEL_WIDTH = 10


class Screen:
    """Writes notices and progress to ``stream`` (stderr by default); ``quiet`` writes nothing."""

    def __init__(self, stream: TextIO | None = None, quiet: bool = False):
        self._console = Console(file=stream or sys.stderr, quiet=quiet, highlight=False, soft_wrap=True, markup=False,
                                emoji=False)
        self._progress: Progress | None = None

    def line(self, label: str, text: str) -> None:
        """One aligned line: a label of at most nine letters, then the text."""
        self._print(f"{label:<{LABEL_WIDTH}}{text}")

    def blank(self) -> None:
        """An empty line between sections."""
        self._print("")

    def _print(self, text: str) -> None:
        try:
            self._console.print(text)
        except (OSError, SystemExit):  # rich exits on a broken pipe; nobody reading must not stop a training
            self._console.quiet = True

    def begin_bar(self, label: str, total_steps: int, done_steps: int = 0) -> None:
        """Show a bar that ``move_bar`` advances; only on a terminal."""
        if not self._console.is_terminal or self._console.quiet:
            return
        self._progress = Progress(TextColumn(f"{label:<{LABEL_WIDTH}}"), BarColumn(bar_width=24),
                                  MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
                                  console=self._console, transient=True)
        self._progress.start()
        self._progress.add_task(label, total=total_steps, completed=done_steps, note="")

    def move_bar(self, done_steps: int, note: str) -> None:
        """``done_steps`` of the bar's total are done; ``note`` stands behind it."""
        if self._progress:
            self._progress.update(self._progress.task_ids[0], completed=done_steps, note=note)

    def end_bar(self) -> None:
        """Remove the bar."""
        if self._progress:
            self._progress.stop()
            self._progress = None


def measures(metrics: Mapping[str, float]) -> str:
    """Metrics in a row, such as ``loss 1.204  acc 0.610``."""
    short = {"accuracy": "acc"}
    return "  ".join(f"{short.get(name, name)} {value:{'.3f' if abs(value) < 1e5 else '.2e'}}"
                     for name, value in metrics.items())


def epoch_text(training: Mapping[str, float], validation: Mapping[str, float], is_best: bool,
               examples_per_second: float, wall_seconds: float) -> str:
    """The line of a finished epoch; ``*`` marks the best so far."""
    star = "*" if is_best else " "
    return (f"{measures(training)}   val {measures(validation)} {star} {examples_per_second:8,.0f} images/s "
            f"{wall_seconds:7.1f} s")
