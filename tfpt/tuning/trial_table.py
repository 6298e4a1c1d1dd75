"""The table that grows while a search runs: a line for each finished trial."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from tfpt.evaluation.figures import shortened
from tfpt.training.screen import LABEL_WIDTH, Screen
from tfpt.tuning.trial_result import TrialResult
from tfpt.tuning.wording import NUMBER_WIDTH, score_name, score_text, short_names, value_text

LINE_WIDTH = 120
LONGEST_REASON = 100
TRIAL_WIDTH, SECONDS_WIDTH = 5, 7


class TrialTable:
    """Prints aligned lines to ``screen``; hyper-parameters that don't fit into 120 columns go on in the next line.

    Args:
        space: by dotted name, the values that a hyper-parameter may have: its choices, or the ends of its range.
        objective: the validation metric that decides, such as accuracy.
    """

    def __init__(self, screen: Screen, space: Mapping[str, Sequence[Any]], objective: str):
        self._screen, self._names = screen, list(space)
        self._headings = [*short_names(self._names), score_name(objective), "time"]
        widest = [*(max(map(_widest, values), default=0) for values in space.values()), NUMBER_WIDTH, SECONDS_WIDTH]
        self._widths = [max(width, cell_len(heading)) for width, heading in zip(widest, self._headings, strict=True)]

    def header(self) -> None:
        """The line of headings."""
        self._print("trial", self._headings)

    def row(self, result: TrialResult, is_best: bool) -> None:
        """The line of a trial; ``*`` marks the best so far."""
        values = [value_text(result.values[name]) if name in result.values else "" for name in self._names]
        score = result.status if result.score is None else score_text(result.score)
        self._print(f"{result.number:>{TRIAL_WIDTH}}", [*values, score, _seconds_text(result.wall_seconds)],
                    "*" if is_best else " ", shortened(result.why or "", LONGEST_REASON))

    def _print(self, label: str, cells: Sequence[str], mark: str = " ", note: str = "") -> None:
        parts = [_right(cell, width) for cell, width in zip(cells, self._widths, strict=True)]
        parts[-2] = f"  {parts[-2]} {mark}"  # what was found stands a little apart from what was tried
        lines = [""]
        for part in parts:
            wider = f"{lines[-1]}  {part}" if lines[-1] else part
            if cell_len(wider) > LINE_WIDTH - LABEL_WIDTH:
                lines.append(part)
            else:
                lines[-1] = wider
        lines[-1] += f"   {note}"
        for number, line in enumerate(lines):
            self._screen.line("" if number else label, line.rstrip())


def _widest(value: Any) -> int:
    return max(cell_len(value_text(value)), NUMBER_WIDTH if isinstance(value, float) else 0)


def _right(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text


def _seconds_text(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
