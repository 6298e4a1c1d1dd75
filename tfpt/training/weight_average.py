"""An exponential moving average of the weights that train: what is validated, kept and served in their place."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpt.task import Batch, Step, Totals


class WeightAverage:
    """Averages of ``variables`` (Keras's), after Polyak & Juditsky (1992).

    After update ``t``, ``average += (1 - d) * (weight - average)``, where ``d = min(decay, (1 + t) / (10 + t))`` as in
    TensorFlow's ExponentialMovingAverage, so that a short training isn't an average of its first weights. BatchNorm's
    moving statistics are averages already and stay as they are. (Keras's optimizers have ``use_ema``, which goes over
    every weight at every step, the frozen ones too, and begins those that are unfrozen later from zero.)
    """

    def __init__(self, variables: Sequence[Any], decay: float):
        self.decay = decay
        self._weights = list(variables)
        self._averages = [keras.Variable(weight.numpy(), trainable=False, dtype=weight.dtype,
                                         name=f"{weight.path.replace('/', '_')}_average") for weight in self._weights]
        self._updates = keras.Variable(0, trainable=False, dtype="int64", name="averaged_updates")
        self._is_exchanged = False

    @property
    def variables(self) -> list[Any]:
        """What a checkpoint holds: the averages and the number of updates."""
        return [*self._averages, self._updates]

    def begin_phase(self, model: keras.Model, is_first: bool) -> None:
        """What doesn't train in the phase is, from now on, its own average: frozen layers are computed once, with the
        weights that they have, for training and validation alike.
        """
        trains = {id(variable) for variable in model.trainable_variables}
        for weight, average in zip(self._weights, self._averages, strict=True):
            if is_first or id(weight) not in trains:
                average.assign(weight.value)

    def after(self, step: Step, trainable: Sequence[Any]) -> Step:
        """``step``, and then the averages of ``trainable`` moved on."""
        chosen = {id(variable) for variable in trainable}
        pairs = [pair for pair in zip(self._weights, self._averages, strict=True) if id(pair[0]) in chosen]

        def averaged(batch: Batch) -> Totals:
            totals = step(batch)
            self._updates.assign_add(1)
            done = tf.cast(self._updates.value, tf.float32)
            share = 1.0 - tf.minimum(self.decay, (1.0 + done) / (10.0 + done))
            for weight, average in pairs:
                average.assign_add(tf.cast(share, average.dtype) * (weight.value - average.value))
            return totals

        return averaged

    def of(self, model: keras.Model) -> list[np.ndarray]:
        """``model.get_weights()`` with averages in place of weights."""
        averages: Mapping[int, Any] = {id(weight): average for weight, average
                                       in zip(self._weights, self._averages, strict=True)}
        return [averages.get(id(weight), weight).numpy() for weight in model.weights]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While the block runs, the model has the averages for weights."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Within ``in_place``, the model has the weights that it trains again; elsewhere nothing changes."""
        if not self._is_exchanged:
            yield
            return
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        for weight, average in zip(self._weights, self._averages, strict=True):
            trained = tf.identity(weight.value)
            weight.assign(average.value)
            average.assign(trained)
        self._is_exchanged = not self._is_exchanged
