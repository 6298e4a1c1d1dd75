"""What a search prepares before its first trial: data, model, the cache's plan; and the lines that say so."""

import math
from typing import Any

from tfpt import runtime
from tfpt.config.search_space import space_lines
from tfpt.task import Task
from tfpt.training.freezing import plan_phases
from tfpt.training.screen import Screen
from tfpt.tuning.workbench import Workbench
from tfpt.workflows.search_schedules import check_schedules, schedule_variants
from tfpt.workflows.search_settings import SearchSettings

_VALUES_OF_A_RANGE = 11  # that KerasTuner's grid makes of a range without steps


def prepare_bench(task: Task, settings: SearchSettings, screen: Screen) -> tuple[Workbench, dict[str, Any]]:
    """The workbench with data and model on it, and what a resumed search has to find as it was.

    Raises:
        UsageError: data, weights, or a schedule of the space won't do.
    """
    first = task.resolve(settings.base)
    runtime.configure(first.train.seed, first.train.precision)
    variants = schedule_variants(task, settings)
    bench = Workbench(task, variants, _trainings(settings), screen)
    splits, model = bench.splits(first), bench.model(first)
    check_schedules(settings, [plan_phases(variant.freeze, variant.train.epochs, model.units) for variant in variants])
    screen.line("data", splits.summary)
    screen.line("model", task.describe(first, model.model, splits.metadata))
    for number, line in enumerate(space_lines(settings.space)):
        screen.line("" if number else "space", line)
    screen.line("search", f"{settings.engine} · {_count_text(settings)} · by validation {settings.objective} · "
                          f"{first.train.epochs} epochs at most")
    cuts = ", ".join(cut.name for cut in model.plan.cuts)
    several = any(dimension.name.startswith(("data.", "augment.")) for dimension in settings.space)
    data = "the data of equal data settings" if several else "one data set"
    screen.line("shared", f"{data}, one prefix cache (cut after {cuts})" if cuts
                else f"{data}; no prefix cache: {model.plan.why}")
    return bench, {"fingerprints": {"data": splits.fingerprint, "settings": settings.fingerprint()},
                   "environment": runtime.environment()}


def _count_text(settings: SearchSettings) -> str:
    each = "" if settings.executions_per_trial == 1 else f", each trained {settings.executions_per_trial} times"
    if settings.trials is not None:
        return f"{settings.trials} trial{'' if settings.trials == 1 else 's'}{each}"
    return ("trials by its brackets" if settings.engine == "hyperband" else "every combination") + each


def _trainings(settings: SearchSettings) -> float:
    """About how many trainings there will be, for the plan of the cache."""
    count = settings.trials
    if count is None:
        count = math.prod(len(dimension.values) or _VALUES_OF_A_RANGE for dimension in settings.space)
    return count * settings.executions_per_trial
