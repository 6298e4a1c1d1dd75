"""The learning-rate range test: the loss while the rate rises.

After Smith 2017 ("Cyclical Learning Rates", section 3.3), but with the loss in place of the accuracy and a rate that
rises by factors, as fastai's finder has it.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfpt.errors import TrainingFailed
from tfpt.training.job import Job, LoopState
from tfpt.training.optimizers import present_rate
from tfpt.training.phase_runner import PhaseRunner
from tfpt.training.steps import zero_totals
from tfpt.training.timed_calls import CALL_SECONDS, memory_error_explained

SMOOTHING = 0.9
"""Of the moving average of the losses, whose first values are corrected as Adam's moments are."""
HOPELESS = 4.0
"""It ends where the smoothed loss is so many times the smallest."""
FEWEST_POINTS = 10
LAST_LEFT_OUT = 5


@keras.saving.register_keras_serializable("tfpt")
class RisingRate(keras.optimizers.schedules.LearningRateSchedule):
    """``lowest`` at the first update, ``highest`` after ``steps``, by the same factor from each to the next."""

    def __init__(self, lowest: float, highest: float, steps: int):
        super().__init__()
        self.lowest, self.highest, self.steps = lowest, highest, steps

    def __call__(self, step):  # type: ignore[no-untyped-def]
        share = keras.ops.cast(step, "float32") / max(self.steps - 1, 1)
        return self.lowest * keras.ops.exp(share * math.log(self.highest / self.lowest))

    def get_config(self):  # type: ignore[no-untyped-def]
        return {"lowest": self.lowest, "highest": self.highest, "steps": self.steps}


@dataclass(frozen=True)
class RangeTest:
    """Per update: the rate (before multipliers) and the mean loss of its examples, also smoothed. ``diverged``: it
    ended before all updates were done.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    diverged: bool


def range_test(job: Job, epoch: int, lowest: float, highest: float, steps: int) -> RangeTest:
    """Train ``job.model`` in place for at most ``steps`` updates, as the phase of ``epoch`` does, the rate rising.

    Raises:
        TrainingFailed: the memory is too small, or the first loss isn't finite.
    """
    for optimizer, _ in job.optimizers.values():
        getattr(optimizer, "inner_optimizer", optimizer)._learning_rate = RisingRate(lowest, highest, steps)
    first_optimizer = next(iter(job.optimizers.values()))[0]
    state = LoopState(epoch=epoch)
    rates: list[float] = []
    losses, curve = list[float](), SmoothedLosses()
    with PhaseRunner(job, state) as phases, memory_error_explained("in the range test"):
        phases.enter(state)
        done = _Position(job, phases, state)
        job.screen.begin_bar("rate", steps)
        try:
            while len(losses) < steps and not curve.is_hopeless and job.stop_signal() is None:
                rates.append(present_rate(first_optimizer))
                losses.append(done.next_loss())
                curve.append(losses[-1])
                job.screen.move_bar(len(losses), f"learning rate {rates[-1]:.1e}  loss {losses[-1]:.3g}")
        finally:
            job.screen.end_bar()
    if losses and not math.isfinite(losses[-1]):
        if len(losses) == 1:
            raise TrainingFailed(f"The loss was {losses[0]} at once, at a learning rate of {rates[0]:.1e}: the data or "
                                 "the weights hold something that isn't a number.")
        rates, losses = rates[:-1], losses[:-1]
    return RangeTest(rates, losses, curve.values[:len(losses)], diverged=len(losses) < steps)


class _Position:
    """Where the test is in the training examples, which it goes through epoch after epoch."""

    def __init__(self, job: Job, phases: PhaseRunner, state: LoopState):
        self._job, self._phases, self._state = job, phases, state
        self._epoch, self._step = state.epoch, 0
        self._open()

    def next_loss(self) -> float:
        """That of one update."""
        if self._step == self._job.steps_per_epoch:
            self._epoch, self._step = self._epoch + 1, 0
            self._open()
        iterator, count = self._stream.take(1, CALL_SECONDS)
        while not count:  # an activation is beyond the range of the cache's dtype
            self._phases.widen(self._state)
            self._open()
            iterator, count = self._stream.take(1, CALL_SECONDS)
        totals = self._phases.program.train.run(iterator, 1, zero_totals(self._job.task.totals),
                                                self._state.wall_seconds)
        self._step += 1
        return float(self._job.task.metrics({name: float(total) for name, total in totals.items()})["loss"])

    def _open(self) -> None:
        self._stream: Any = self._phases.program.feed.train_stream(self._epoch, self._step)


class SmoothedLosses:
    """The exponential moving average of losses, unbiased, as they come."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.is_hopeless = False
        self._average, self._lowest = 0.0, math.inf

    def append(self, loss: float) -> None:
        """One more. ``is_hopeless`` says then whether it, or the average, is too high to go on."""
        self._average = SMOOTHING * self._average + (1 - SMOOTHING) * loss
        self.values.append(self._average / (1 - SMOOTHING ** (len(self.values) + 1)))
        self._lowest = min(self._lowest, self.values[-1])
        self.is_hopeless = not math.isfinite(loss) or (
            len(self.values) >= FEWEST_POINTS and self.values[-1] > HOPELESS * self._lowest)


def suggested_rate(test: RangeTest) -> float | None:
    """The rate at which the smoothed loss is half-way down its longest fall; None: no fall.

    As in "valley" of fastai's finder, a fall is a subsequence, each value of which is below the one before: ripples in
    between don't end it; and the first tenth is not looked at, where the average is still that of few updates, nor are
    the last updates. Half-way is that of the loss, not of the updates: of these, a plain before the fall has many.
    """
    if len(test.smoothed) < FEWEST_POINTS:
        return None
    first = len(test.smoothed) // 10
    losses = np.array(test.smoothed[first:-LAST_LEFT_OUT])
    length, before = np.ones(len(losses), int), np.full(len(losses), -1)
    for place in range(1, len(losses)):
        higher = np.flatnonzero(losses[:place] > losses[place])[::-1]  # of equals the latest: no plain before the fall
        if len(higher):
            best = higher[np.argmax(length[higher])]
            length[place], before[place] = length[best] + 1, best
    end = int(np.argmax(length))
    if length[end] < FEWEST_POINTS // 2:
        return None
    fall = [end]
    while before[fall[-1]] >= 0:
        fall.append(int(before[fall[-1]]))
    half = (losses[fall[-1]] + losses[end]) / 2
    return test.rates[first + next(place for place in reversed(fall) if losses[place] <= half)]
