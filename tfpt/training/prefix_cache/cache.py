"""The prefix cache of a model: opens the rows of each phase's cuts, computes what is missing, feeds the steps."""

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import ml_dtypes
import numpy as np
import tensorflow as tf

from tfpt import runtime
from tfpt.data.row_files import RowFolder
from tfpt.data.row_folders import evict, prefix_folder
from tfpt.errors import DataError, TfptError
from tfpt.task import ReusableInputs, Splits, Task, join_visits
from tfpt.training.feeds import Stream, as_model_output
from tfpt.training.graph_runner import graph_runner
from tfpt.training.graph_split import Cut
from tfpt.training.prefix_cache.plan import CachePlan
from tfpt.training.prefix_cache.rows import CutRows
from tfpt.training.prefix_cache.shared_rows import SharedRows
from tfpt.training.prefix_cache.signature import graph_signature
from tfpt.training.prefix_cache.stream import CachedStream, GroupSize
from tfpt.training.timed_calls import CALL_SECONDS

_MARGIN = 16.0
"""How many times the dtype's smallest normal number the largest activation of a row has to be."""


class PrefixCache:
    """Holds the rows of ``plan``'s cuts, from phase to phase.

    ``widened`` has the numbers of the cuts whose rows are float32 because one value was out of ``plan.dtype``'s range.
    ``shared_rows`` are the open rows of caches of the same data; with them this one has use for its rows, from training
    to training, until it is made to leave.
    """

    def __init__(self, task: Task, config: Any, splits: Splits, model: keras.Model, plan: CachePlan,
                 widened: Sequence[int] = (), shared_rows: SharedRows | None = None):
        assert task.reusable is not None
        self.plan, self.widened = plan, set(widened)
        self.reusable: ReusableInputs = task.reusable
        self.notices: list[str] = [] if shared_rows is None else shared_rows.notices
        self._model_text = task.describe(config, model, splits.metadata)
        self.config, self.splits, self.model = config, splits, model
        self.computed_rows = self.loaded_rows = 0
        self._told = (0, 0)
        self.group_size = GroupSize()
        self._cuts = [cut.find(model) for cut in plan.cuts]
        self._open: dict[int, CutRows] = {}
        self._shared_rows = shared_rows

    def __enter__(self) -> "PrefixCache":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # What ended the training is what the user is to read of, not that the disk failed too.
        with contextlib.suppress(TfptError) if kind else contextlib.nullcontext():
            self.close()

    def feed(self, number: int | None, held: Sequence[int], reached: set[int]) -> "CachedFeed | None":
        """The feed from the cut ``number``; None if that is None, or there is no room for its rows.

        The weights in front of the cut have to be as they stay while it is used. ``held`` are the cuts whose rows are
        kept, ``number`` first; those of other weights, and of other cuts, are let go. ``reached`` as in
        ``graph_runner``.
        """
        numbers = self._hold(held)
        return CachedFeed(self, number, numbers, reached) if number in numbers else None

    def fill(self, last_epoch: int, goes_on: Callable[[], None]) -> None:
        """Compute what any epoch up to ``last_epoch`` and validation read, the rows of all cuts in one pass.

        For trainings that share rows: every weight has to be as it is when they begin. ``goes_on`` is called when rows
        have been opened and about once a second, and may raise. Inputs are run in an order of this process's own:
        others that do the same at the same time run other inputs first, and all take what the others have finished.
        """
        reusable, config, epochs = self.reusable, self.config, range(1, last_epoch + 1)
        train = [reusable.train_visits(config, self.splits.train, epoch) for epoch in epochs]
        drawn = np.random.default_rng()  # a process's number may be another's too, in another container
        parts = [("train", self.splits.train, join_visits(train)),
                 ("validation", self.splits.validation, reusable.eval_visits(config, self.splits.validation))]
        cuts = range(len(self.plan.cuts))
        for number in self._hold(cuts):
            for part, source, visits in parts:
                while self.has_room(number) and (self._open[number].numbers(part, visits) < 0).any():
                    goes_on()
                    order = [number, *(cut for cut in self._open if cut != number)]
                    stream = CachedStream(self, part, source, visits[drawn.permutation(len(visits))], len(visits),
                                          [self._open[cut] for cut in order], self.row_function(order))
                    while stream.fill(CALL_SECONDS):
                        goes_on()
                    if stream.out_of_range:
                        self.widen(number)
                        self._hold(cuts)
                        goes_on_as = "float32 for" if self.has_room(number) else "no room for float32, so without"
                        self.notices.append(f"an activation is out of {self.plan.dtype}'s range: {goes_on_as} the cut "
                                            f"after {self.plan.cuts[number].name}")

    def _hold(self, held: Sequence[int]) -> list[int]:
        """Open the rows of the cuts ``held`` that there is room for, let go of others; returns those cuts."""
        fits = self._in_memory(held)
        numbers = [cut for cut in held if cut in fits or self.plan.kept]
        digests: dict[int, bytes] = {}
        signatures = {cut: self._signature(cut, digests) for cut in numbers}
        for cut, rows in list(self._open.items()):
            too_large = rows.in_memory and cut not in fits
            if too_large or rows.signature != signatures.get(cut):
                self._let_go(cut, for_good=too_large)
        for cut in numbers:
            if cut not in self._open:
                self._open[cut] = self._open_rows(cut, signatures[cut], cut in fits)
        return numbers

    def has_room(self, number: int) -> bool:
        """Whether the rows of the cut fit somewhere: they may not if they had to become float32."""
        return self.plan.kept or number in self._in_memory([number])

    def widen(self, number: int) -> None:
        """From now on the rows of the cut ``number`` are float32; those that there are are computed again."""
        self.widened.add(number)
        self._let_go(number, for_good=True)

    def _let_go(self, number: int, for_good: bool) -> None:
        """Rows that are shared stay for the next training, unless it is ``for_good``."""
        rows = self._open.pop(number)
        if self._shared_rows is None:
            rows.close()
        elif for_good:
            self._shared_rows.leave(self, rows)

    def finish(self, seconds: float = 0.0) -> str:
        """Everything computed so far is whole on disk, if it is kept there at all.

        Returns what came since the last time, in ``seconds``: ``1,023 images computed at 151/s · 6.8 s``.
        """
        for rows in self._open.values():
            rows.finish()
        computed, loaded = self.computed_rows - self._told[0], self.loaded_rows - self._told[1]
        self._told = (self.computed_rows, self.loaded_rows)
        parts = [f"{computed:,} {self.reusable.name}s run at {computed / max(seconds, 1e-9):,.0f}/s"] * (computed > 0)
        parts += [f"{loaded:,} found from another run"] * (loaded > 0)
        return " · ".join([*parts, f"{seconds:.1f} s"]) if parts else ""

    def close(self) -> None:
        """Let everything go, and remove what was used longest ago from disk if there is too much."""
        if self._shared_rows is not None:
            return
        in_use = [rows.folder.path.name for rows in self._open.values() if rows.folder]
        self.finish()
        for rows in self._open.values():
            rows.close()
        self._open = {}
        with contextlib.suppress(OSError):
            evict(int(self.config.cache.max_gb * 1e9), in_use)

    def cut(self, number: int) -> Cut:
        """The cut of that number in the model."""
        return self._cuts[number]

    def rows(self, number: int) -> CutRows:
        """Its rows."""
        return self._open[number]

    def row_function(self, numbers: Sequence[int]) -> Any:
        """A ``tf.function`` from inputs to ``(rows [n, values], holds bool [n])`` for each of the cuts ``numbers``.

        ``holds`` is False where an activation is too large for the rows' dtype, or all are too small.
        """
        cuts = [self._cuts[number] for number in numbers]
        run = graph_runner(self.model.inputs, [tensor for cut in cuts for tensor in cut.tensors],
                           fold=self.config.cache.fold_batch_norm)
        dtypes = [self._open[number].dtype for number in numbers]

        @tf.function(autograph=False)
        def rows_of(inputs: Any) -> list[tuple[tf.Tensor, tf.Tensor]]:
            tensors, count = iter(run(inputs)), tf.shape(inputs)[0]
            return [_as_row([next(tensors) for _ in cut.tensors], count, dtype) for cut, dtype in zip(cuts, dtypes)]

        return rows_of

    def _dtype(self, number: int) -> tf.DType:
        return tf.float32 if number in self.widened else tf.as_dtype(self.plan.dtype)

    def _open_rows(self, number: int, signature: str, in_memory: bool) -> CutRows:
        def make() -> CutRows:
            views = self.reusable.views(self.config)
            parts = {"train": (len(self.splits.train), views), "validation": (len(self.splits.validation), 1)}
            return CutRows(self._cuts[number].values, self._dtype(number), parts,
                           self._most_rows() if in_memory else None, self._folder(number, signature, in_memory),
                           self.plan.kept, signature, self.notices.append)

        return make() if self._shared_rows is None else self._shared_rows.take(self, (signature, in_memory), make)

    def _most_rows(self) -> int:
        """By the epochs of now, not of the plan: a run may be resumed to train longer, and see more views."""
        if self.plan.lasting:
            return self.plan.rows
        views = self.reusable.views(self.config)
        return len(self.splits.train) * min(views, self.config.train.epochs) + len(self.splits.validation)

    def _in_memory(self, held: Sequence[int]) -> set[int]:
        """The cuts whose rows are in memory while those of ``held`` are open: as many as fit together, in their order;
        of lasting ones, all of which are open, the smallest.

        Nothing but plan, config and ``widened`` counts, so that a resumed run decides as the one before.
        """
        left_bytes = self.config.cache.budget_mb * 2**20 if self.plan.where == "memory" else -1
        sizes = [self._most_rows() * cut.values * self._dtype(number).size for number, cut in enumerate(self._cuts)]
        fits = set()
        for number in sorted(range(len(sizes)), key=sizes.__getitem__) if self.plan.lasting else held:
            if sizes[number] <= left_bytes:
                fits.add(number)
                left_bytes -= sizes[number]
        return fits

    def _signature(self, number: int, digests: dict[int, bytes]) -> str:
        """What the rows of a cut depend on beside the inputs."""
        return repr([graph_signature(self.model.inputs, self._cuts[number].tensors, digests=digests),
                     self._dtype(number).name, self.config.cache.fold_batch_norm, sorted(runtime.environment().items()),
                     runtime.cpu_features()])

    def _folder(self, number: int, signature: str, in_memory: bool) -> RowFolder | None:
        """The rows on disk: read if there are any, even where there is no room to write more."""
        cut, dtype, path = self._cuts[number], self._dtype(number), prefix_folder(signature)
        if self.config.cache.mode == "memory" or not (self.plan.kept or path.exists()):
            return None
        shapes = " + ".join("×".join(map(str, tensor.shape[1:])) for tensor in cut.tensors)
        about = {"model": self._model_text, "cut": cut.name, "shape": shapes, "dtype": dtype.name}
        try:
            return RowFolder(path, cut.values * dtype.size, about)
        except DataError as problem:
            if not in_memory:
                raise
            self.notices.append(f"{problem} This run goes on in memory alone.")
            return None


def _as_row(tensors: Sequence[tf.Tensor], count: tf.Tensor, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
    # By the count: a layer that merges another axis into that of the batch must not pass for one with more examples.
    flat = [tf.cast(tf.reshape(tensor, [count, math.prod(tensor.shape[1:])]), tf.float32) for tensor in tensors]
    exact = tf.concat(flat, axis=1)
    if dtype == tf.float32:
        return exact, tf.ones(tf.shape(exact)[:1], tf.bool)
    rows = tf.cast(exact, dtype)
    # What isn't finite in float32 either is a model that has diverged, which the loss will tell.
    lost = tf.reduce_any(tf.math.is_finite(exact) & ~tf.math.is_finite(rows), axis=1)
    smallest = _MARGIN * float(ml_dtypes.finfo(dtype.as_numpy_dtype).tiny)
    for tensor in flat:
        # Numbers below the smallest normal one lose digits; it does no harm where others beside them are much larger.
        largest = tf.reduce_max(tf.abs(tensor), axis=1)
        lost |= (largest > 0) & (largest < smallest)
    return rows, ~lost


class CachedFeed:
    """Rows in the place of inputs, through what stands behind the cut. A ``Feed``."""

    def __init__(self, cache: PrefixCache, number: int, collected: Sequence[int], reached: set[int]):
        """``collected`` are the cuts whose rows are kept when inputs are run, ``number`` among them."""
        self.number, self._cache = number, cache
        self.rows, self._collected = cache.rows(number), list(collected)
        self._row_function = cache.row_function(collected)
        self._cut = cache.cut(number)
        fold = cache.config.cache.fold_batch_norm
        train = graph_runner(self._cut.tensors, cache.model.outputs, reached=reached, fold=fold)
        infer = graph_runner(self._cut.tensors, cache.model.outputs, fold=fold)
        self.forward = lambda inputs: as_model_output(train(*self._tensors(inputs)))
        self.infer = lambda inputs: as_model_output(infer(*self._tensors(inputs)))

    def train_stream(self, epoch: int, first_step: int) -> Stream:
        cache, size = self._cache, self._cache.reusable.update_size(self._cache.config)
        visits = cache.reusable.train_visits(cache.config, cache.splits.train, epoch)
        return self._stream("train", cache.splits.train, visits[first_step * size:], size)

    def validation_stream(self) -> Stream:
        cache = self._cache
        visits = cache.reusable.eval_visits(cache.config, cache.splits.validation)
        return self._stream("validation", cache.splits.validation, visits, cache.reusable.eval_size(cache.config))

    def _stream(self, part: str, source: Any, visits: Any, batch_size: int) -> Stream:
        cuts = [self._cache.rows(number) for number in self._collected]
        return CachedStream(self._cache, part, source, visits, batch_size, cuts, self._row_function)

    def _tensors(self, inputs: tf.Tensor) -> list[tf.Tensor]:
        rows = self.rows.gather(inputs) if self.rows.in_memory else inputs
        shapes = [tensor.shape[1:] for tensor in self._cut.tensors]
        pieces = tf.split(rows, [math.prod(shape) for shape in shapes], axis=1)
        return [tf.reshape(piece, [-1, *shape]) for piece, shape in zip(pieces, shapes, strict=True)]
