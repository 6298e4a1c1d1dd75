"""What a task's training asks of the prefix cache, or why it can't have one."""

from typing import Any

from tfpt.task import Splits, Task
from tfpt.training.prefix_cache.costs import SAMPLE_SIZE
from tfpt.training.prefix_cache.plan import Workload


def cache_workload(task: Task, config: Any, splits: Splits) -> Workload | str:
    """The workload of a training with ``config``; a text says why nothing of it can be cached."""
    reusable = task.reusable
    if config.cache.mode == "off":
        return "off: frozen layers run for every batch"
    if reusable is None:
        return f"the inputs of {task.name} never come twice"
    if obstacle := reusable.obstacle(config):
        return obstacle
    views = reusable.views(config)
    if not views:
        return "augment.views 0 makes a fresh view of every image in each epoch"

    def sample() -> Any:
        visits = reusable.eval_visits(config, splits.train)[:SAMPLE_SIZE]
        return next(iter(reusable.inputs(config, splits.train, visits, SAMPLE_SIZE)))

    return Workload(len(splits.train), len(splits.validation), views, sample)
