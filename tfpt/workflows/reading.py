"""Reading a config's data, with what is said of it."""

import os
from typing import Any

from tfpt.task import Splits, Task
from tfpt.training.screen import Screen

SHOWN_LEFT_OUT = 5


def read_data(task: Task, config: Any, screen: Screen) -> Splits:
    """The splits; what was left out is a line each. Raises DataError: it can't be read, or is not enough."""
    screen.line("reading", os.path.relpath(config.data.path) if os.path.exists(config.data.path) else config.data.path)
    splits = task.sources(config)
    for item in splits.left_out[:SHOWN_LEFT_OUT]:
        screen.line("left out", f"{item.path}: {item.why}")
    if len(splits.left_out) > SHOWN_LEFT_OUT:
        screen.line("left out", f"… and {len(splits.left_out) - SHOWN_LEFT_OUT} more")
    return splits
