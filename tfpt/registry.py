"""The tasks that tfpt knows: a line each, imported when asked for."""

import difflib
import importlib

from tfpt.errors import RunError
from tfpt.task import Task

TASKS = {
    "image_classification": "tfpt.tasks.image_classification:TASK",
}


def get_task(name: str) -> Task:
    """The task of that name, imported (with TensorFlow).

    Raises:
        RunError: no such task, as when a newer tfpt wrote the run.
    """
    if name not in TASKS:
        near = difflib.get_close_matches(str(name), TASKS, 1)
        hint = f"Did you mean {near[0]}?" if near else "A newer tfpt may have written the run; install that one."
        raise RunError(f"Expected one of the tasks {', '.join(TASKS)}, but found {name!r}. {hint}")
    module, _, attribute = TASKS[name].partition(":")
    task: Task = getattr(importlib.import_module(module), attribute)
    return task
