"""What a phase feeds its steps: batches, and the functions that take them forward. Here the ordinary way."""

from collections.abc import Callable
from typing import Any, Protocol

import keras
import tensorflow as tf

from tfpt.task import Splits, Task
from tfpt.training.graph_runner import graph_runner


class Stream(Protocol):
    """The batches of an epoch, or of a validation, from some step on."""

    steps: int
    """How many there are."""

    def take(self, wanted: int, seconds: float) -> tuple[Any, int]:
        """An iterator over the next batches, and how many of them are ready: ``wanted`` at most.

        Preparing them takes about ``seconds`` at most, unless the first one alone takes longer. None is ready if the
        feed has to be made anew first, which ``Loop`` does.
        """


class Feed(Protocol):
    """``forward`` and ``infer`` are those of ``StepContext``."""

    forward: Callable[[Any], Any]
    infer: Callable[[Any], Any]
    rows: Any
    """What ``forward`` and ``infer`` look rows up in; None without a cache."""

    def train_stream(self, epoch: int, first_step: int) -> Stream:
        """The training batches of ``epoch`` from ``first_step`` on."""

    def validation_stream(self) -> Stream:
        """All of validation."""


def as_model_output(outputs: list[Any]) -> Any:
    """What the model itself would return: the one output, or the list of them."""
    return outputs[0] if len(outputs) == 1 else outputs


class DirectFeed:
    """Inputs as the task makes them, through the whole model."""

    rows = None

    def __init__(self, task: Task, config: Any, splits: Splits, model: keras.Model, reached: set[int], fold: bool):
        self._task, self._config, self._splits = task, config, splits
        train = graph_runner(model.inputs, model.outputs, reached=reached, fold=fold)
        infer = graph_runner(model.inputs, model.outputs, fold=fold)
        self.forward = lambda inputs: as_model_output(train(*keras.tree.flatten(inputs)))
        self.infer = lambda inputs: as_model_output(infer(*keras.tree.flatten(inputs)))

    def train_stream(self, epoch: int, first_step: int) -> Stream:
        return _DirectStream(self._task.train_batches(self._config, self._splits.train, epoch, first_step))

    def validation_stream(self) -> Stream:
        return _DirectStream(self._task.eval_batches(self._config, self._splits.validation))


class _DirectStream:
    def __init__(self, batches: tf.data.Dataset):
        self.steps = int(batches.cardinality())
        self._iterator = iter(batches)

    def take(self, wanted: int, seconds: float) -> tuple[Any, int]:
        return self._iterator, wanted
