"""The batches of an epoch as rows: what is missing is computed in the order in which it is needed, just before."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpt.data.autotune import without_autotune
from tfpt.task import Visits
from tfpt.training.memory import is_out_of_memory
from tfpt.training.prefix_cache.rows import CutRows

INPUT_BATCH = 32
_GROUPS = (1, 2, 4)
"""Inputs go through the frozen layers 32, 64 or 128 at a time, always that many, where bits don't depend on which."""

_SECONDS_BETWEEN_LOOKS = 1.0
"""How often to look for rows that another run on the same data has finished."""

_TRIES = 2
_WORTH_TRYING = 4096
"""Making the kernels of another size takes as long as a hundred inputs or two: of few inputs it would not come back."""


class GroupSize:
    """Finds, while it works, how many input batches are best run as one. One for a training."""

    def __init__(self) -> None:
        self._seconds: dict[int, list[float]] = {group: [] for group in _GROUPS}
        self._same_bits = {_GROUPS[0]}

    def next(self, left_inputs: int) -> int:
        """The size to try, or the best one once each was tried; the smallest where trying doesn't pay."""
        for group, seconds in self._seconds.items():
            if len(seconds) <= _TRIES and left_inputs >= _WORTH_TRYING:  # the first one makes the kernels
                return group
        tried = [group for group, seconds in self._seconds.items() if len(seconds) > _TRIES]
        return min(tried, key=lambda group: min(self._seconds[group][1:]), default=_GROUPS[0])

    def tell(self, group: int, seconds_per_input: float) -> None:
        """A group of full size took so long."""
        if group in self._seconds:
            self._seconds[group].append(seconds_per_input)

    def is_known(self, group: int) -> bool:
        """Whether such groups have given the bits of single batches."""
        return group in self._same_bits

    def gives_same_bits(self, group: int) -> None:
        """Such groups needn't be compared with single batches any more."""
        self._same_bits.add(group)

    def too_large(self, group: int) -> None:
        """There is no memory for such a group, nor for larger ones; or it rounds otherwise than single batches."""
        self._seconds = {smaller: seconds for smaller, seconds in self._seconds.items() if smaller < group}


class CachedStream:
    """The rows of ``visits`` in batches. A ``Stream``.

    ``cuts`` are the rows that are kept of every input that is run; the first are those that the batches are made of.
    """

    def __init__(self, cache: Any, part: str, source: Any, visits: Visits, batch_size: int, cuts: Sequence[CutRows],
                 row_function: Any):
        self._cache, self._part, self._source, self._visits = cache, part, source, visits
        self._size, self._cuts, self._rows, self._row_function = batch_size, cuts, cuts[0], row_function
        self.steps = -(-len(visits) // batch_size)
        self._taken = 0
        self._out_of_range: int | None = None
        self._numbers = self._rows.numbers(part, visits)
        self._missing, self._repeats = _first_of_each(visits, np.flatnonzero(self._numbers < 0))
        self._inputs: Any = None
        if len(self._missing):
            self._keys = cache.reusable.keys(cache.config, source, visits[self._missing])
            self._look()
            self._load()

    def take(self, wanted: int, seconds: float) -> tuple[Any, int]:
        began = time.monotonic()
        until = min(self._taken + wanted, self.steps)
        while self._ready() < until and self._out_of_range is None:
            if self._ready() > self._taken and time.monotonic() - began > seconds:
                break
            self._find_or_compute()
        steps = min(self._ready(), until) - self._taken
        chosen = slice(self._taken * self._size, (self._taken + steps) * self._size)
        self._taken += steps
        return (iter(self._batches(chosen)) if steps else None), steps

    def fill(self, seconds: float) -> bool:
        """Compute what is missing, for about ``seconds``; False if nothing is missing now, or a row is out of range."""
        began = time.monotonic()
        while len(self._missing) and self._out_of_range is None and time.monotonic() - began < seconds:
            self._find_or_compute()
        return bool(len(self._missing)) and self._out_of_range is None

    @property
    def out_of_range(self) -> bool:
        """Whether the feed has to be made anew, with wider rows."""
        return self._out_of_range is not None

    def _find_or_compute(self) -> None:
        if time.monotonic() - self._looked < _SECONDS_BETWEEN_LOOKS or not self._look() or not self._load():
            self._compute()

    def _look(self) -> bool:
        """Whether another process has finished rows since the last time."""
        self._looked = time.monotonic()
        return any([cut.refresh() for cut in self._cuts])  # all of them: a list

    def _load(self) -> bool:
        """Take what is on disk of what is missing; whether that was anything."""
        visits = self._visits[self._missing]
        self._cache.loaded_rows += max(cut.load(self._part, visits, self._keys) for cut in self._cuts)
        self._numbers = self._rows.numbers(self._part, self._visits)
        missing = self._numbers[self._missing] < 0
        if self._inputs is None or not missing.all():
            self._missing, self._keys = self._missing[missing], self._keys[missing]
            self._inputs = self._inputs_of_missing()
        return not missing.all()

    def _inputs_of_missing(self) -> Any:
        if not len(self._missing):
            return None
        visits = self._visits[self._missing]
        return iter(self._cache.reusable.inputs(self._cache.config, self._source, visits, INPUT_BATCH))

    def _ready(self) -> int:
        """How many batches from the first on are complete, those taken included."""
        if self._out_of_range is not None:
            return self._out_of_range // self._size
        return int(self._missing[0]) // self._size if len(self._missing) else self.steps

    def _compute(self) -> None:
        """Run the next inputs of those that are missing, and keep their rows."""
        began, group = time.perf_counter(), self._cache.group_size.next(len(self._missing))
        inputs = tf.concat([batch for _, batch in zip(range(group), self._inputs)], axis=0)
        count = len(inputs)
        places, self._missing = self._missing[:count], self._missing[count:]
        visits = self._visits[places]
        keys, self._keys = self._keys[:count], self._keys[count:]
        full = self._run(inputs, group)
        results = [(rows[:count], holds[:count].numpy()) for rows, holds in full]
        for cut, (rows, holds) in zip(self._cuts, results, strict=True):
            held = np.flatnonzero(holds)
            cut.put(self._part, visits[held], keys[held], rows if holds.all() else tf.gather(rows, held))
        refused = places[~results[0][1]]
        self._out_of_range = int(refused[0]) if len(refused) else None
        if self._repeats:
            self._numbers = self._rows.numbers(self._part, self._visits)
        else:
            self._numbers[places] = self._rows.numbers(self._part, visits)
        self._cache.computed_rows += count
        if not len(self._missing):
            self._inputs = None  # its threads and buffers go now, not at the end of the epoch
        if count == group * INPUT_BATCH:
            self._cache.group_size.tell(group, (time.perf_counter() - began) / count)

    def _run(self, inputs: tf.Tensor, group: int) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """As one group; where the memory is too small for it, or the first of its size rounds otherwise than batches do
        (matrix products of some widths), a batch after the other, and from now on no such groups.
        """
        sizes, whole = self._cache.group_size, None
        try:
            whole = self._row_function(_filled_up(inputs, group * INPUT_BATCH))
        except Exception as problem:
            if group == 1 or not is_out_of_memory(problem):
                raise
        if whole is not None and sizes.is_known(group):
            return whole
        pieces = [self._row_function(_filled_up(inputs[start:start + INPUT_BATCH], INPUT_BATCH))
                  for start in range(0, len(inputs), INPUT_BATCH)]
        joined = [(tf.concat([rows for rows, _ in cut], axis=0), tf.concat([holds for _, holds in cut], axis=0))
                  for cut in zip(*pieces, strict=True)]
        if whole is not None and _same_bits(whole, joined, len(inputs)):
            sizes.gives_same_bits(group)
        else:
            sizes.too_large(group)
        return joined

    def _batches(self, chosen: slice) -> tf.data.Dataset:
        targets = self._cache.reusable.targets(self._cache.config, self._source, self._visits[chosen])
        name = self._cache.reusable.name
        batches = tf.data.Dataset.from_tensor_slices({**targets, name: self._numbers[chosen]}).batch(self._size)
        batches = without_autotune(batches)
        if self._rows.in_memory:
            return batches
        shape = [None, self._rows.values]

        def read(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            rows = tf.numpy_function(self._rows.read, [batch[name]], self._rows.dtype, stateful=False)
            return {**batch, name: tf.ensure_shape(rows, shape)}

        return batches.map(read, num_parallel_calls=2, deterministic=True).prefetch(2)


def _first_of_each(visits: Visits, places: np.ndarray) -> tuple[np.ndarray, bool]:
    """Those of ``places`` at which an example's view comes for the first time, and whether one comes again."""
    codes = visits.index[places] * (int(visits.view.max(initial=0)) + 1) + visits.view[places]
    first = np.sort(np.unique(codes, return_index=True)[1])
    return places[first], len(first) < len(places)


def _same_bits(one: Sequence[tuple[tf.Tensor, tf.Tensor]], other: Sequence[tuple[tf.Tensor, tf.Tensor]],
               count: int) -> bool:
    """Of the first ``count`` rows of every cut."""
    return all(rows[:count].numpy().tobytes() == others[:count].numpy().tobytes()
               for (rows, _), (others, _) in zip(one, other, strict=True))


def _filled_up(inputs: tf.Tensor, count: int) -> tf.Tensor:
    """``count`` inputs, the last one repeated: another number would need kernels of its own, and might round otherwise.
    """
    lacking = count - len(inputs)
    return tf.concat([inputs, tf.repeat(inputs[-1:], lacking, axis=0)], axis=0) if lacking > 0 else inputs
