"""Traced steps of a phase, kept so that trainings which differ in numbers alone need no new traces."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfpt.task import StepContext
from tfpt.training.conditions import Conditions, step_config
from tfpt.training.feeds import Feed
from tfpt.training.freezing import Phase, rate_multipliers
from tfpt.training.optimizers import set_rate_multipliers
from tfpt.training.steps import in_pieces_of, many_steps
from tfpt.training.timed_calls import TimedCalls

if TYPE_CHECKING:
    from tfpt.training.job import Job

MOST_PROGRAMS = 16


@dataclass(frozen=True, eq=False)
class Program:
    """What a phase runs: where its batches come from, and calls of its train and evaluation steps."""

    feed: Feed
    train: TimedCalls
    evaluate: TimedCalls


class Programs:
    """Programs by what was a constant when they were made; those used last stay.

    Keys have to differ wherever a step's constants do: frozen weights, for one.
    """

    def __init__(self, most: int = MOST_PROGRAMS):
        self._most = most
        self._kept: OrderedDict[Hashable, Program] = OrderedDict()
        self.made = 0

    def get(self, key: Hashable, make: Callable[[], Program]) -> Program:
        """The program under ``key``, made now if there is none."""
        if key not in self._kept:
            self.made += 1
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return self._kept[key]


def make_program(job: "Job", phase: Phase, feed: Feed, under: Conditions = Conditions()) -> Program:
    """New functions for ``phase``: those traced before ``trainable`` changed would silently go on with the old set."""
    trains = {id(variable) for variable in job.model.trainable_variables}
    multipliers = rate_multipliers(job.model, job.units, phase, job.config.freeze.rate_decay)
    for optimizer, _ in job.optimizers.values():
        set_rate_multipliers(optimizer, multipliers, under.rate)
    context = StepContext(
        step_config(job.config, under), job.splits.metadata, job.model, feed.forward, feed.infer,
        {name: optimizer for name, (optimizer, _) in job.optimizers.items()},
        {name: [variable for variable in variables if id(variable) in trains]
         for name, (_, variables) in job.optimizers.items()})
    evaluate = job.task.eval_step(context)
    if under.evaluation_batch_size is not None:
        evaluate = in_pieces_of(under.evaluation_batch_size, evaluate, job.task.totals)
    step = job.task.train_step(context)
    if job.average is not None:
        step = job.average.after(step, job.model.trainable_variables)
    return Program(feed, TimedCalls("train", many_steps(step)),
                   TimedCalls("validation", many_steps(evaluate)))
