"""Keras optimizers from config, built once on all variables that will ever train, with a learning rate per variable."""

import types
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfpt.config.shared import OptimizerConfig
from tfpt.training.schedules import Scaled, learning_rate


def make_optimizer(config: OptimizerConfig, variables: Sequence[Any], steps_per_epoch: int, epochs: int,
                   precision: str) -> keras.optimizers.Optimizer:
    """The optimizer, built on ``variables``, so that its slots survive every freeze boundary.

    Under ``mixed_float16`` it comes inside a ``LossScaleOptimizer``. Weight decay leaves out biases and the
    scales and offsets of normalisation layers.
    """
    rate = learning_rate(config, steps_per_epoch, epochs)
    common = {"learning_rate": rate, "weight_decay": config.weight_decay, "global_clipnorm": config.clip_norm}
    if config.name == "sgd":
        optimizer = keras.optimizers.SGD(momentum=config.momentum, nesterov=config.nesterov, **common)
    elif config.name == "rmsprop":
        optimizer = keras.optimizers.RMSprop(momentum=config.momentum, **common)
    elif config.name == "adamw":
        decay = {} if config.weight_decay is not None else {"weight_decay": 0.004}  # Keras's default for AdamW
        optimizer = keras.optimizers.AdamW(**{**common, **decay})
    else:
        optimizer = keras.optimizers.Adam(**common)
    if optimizer.weight_decay is not None:
        optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    if precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


def set_rate_multipliers(optimizer: keras.optimizers.Optimizer, multipliers: Mapping[int, float],
                         common: float = 1.0) -> None:
    """Multiply the learning rate, weight decay's too, of each Keras variable by ``multipliers[id(variable)]``, and of
    all by ``common``.

    Takes effect in functions traced afterwards. The methods are replaced on this one instance, not in a subclass,
    so that the optimizer is saved and loaded under its Keras name. (``keras.optimizers.MultiOptimizer`` is Keras's
    own way, but refuses to apply a subset of its variables.)
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    by_key = {inner._var_key(variable): common * multipliers.get(id(variable), 1.0)
              for variable in inner._trainable_variables}
    plain = type(inner)

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        plain.update_step(self, gradient, variable, learning_rate * by_key[self._var_key(variable)])

    def apply_weight_decay(self: Any, variables: Sequence[Any]) -> None:
        whole = self.weight_decay
        for variable in variables if whole is not None else ():
            self.weight_decay = whole * by_key[self._var_key(variable)]
            plain._apply_weight_decay(self, [variable])
        self.weight_decay = whole

    inner.update_step = types.MethodType(update_step, inner)
    inner._apply_weight_decay = types.MethodType(apply_weight_decay, inner)


def present_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate of the next update, before multipliers."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def highest_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate that the schedule begins with or rises to, before multipliers."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    rate = inner._learning_rate
    return float(rate.highest) if isinstance(rate, Scaled) else present_rate(inner)


def set_highest_rate(optimizer: keras.optimizers.Optimizer, highest: float) -> None:
    """Make ``highest`` the learning rate that the schedule begins with or rises to; in traced functions as well."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if isinstance(inner._learning_rate, Scaled):
        inner._learning_rate.highest.assign(highest)
    else:
        inner.learning_rate = highest
