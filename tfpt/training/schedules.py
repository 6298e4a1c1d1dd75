"""Learning rate over update steps: Keras's own schedules, each behind an optional linear warm-up.

The highest rate is a variable, so that steps that were traced at one rate run at another.
"""

import keras

from tfpt.config.shared import OptimizerConfig
from tfpt.errors import ConfigError

UNFOUND_RATE = 1e-3
"""In place of ``auto``, where the range test has yet to find one, or nothing is trained."""


@keras.saving.register_keras_serializable("tfpt")
class Scaled(keras.optimizers.schedules.LearningRateSchedule):
    """``shape``, a schedule whose highest value is 1, times ``highest``, a float32 variable."""

    def __init__(self, shape: keras.optimizers.schedules.LearningRateSchedule, highest: float):
        super().__init__()
        self.shape = shape
        self.highest = keras.Variable(highest, dtype="float32", trainable=False, name="highest_learning_rate")

    def __call__(self, step):  # type: ignore[no-untyped-def]
        return self.highest * self.shape(step)

    def get_config(self):  # type: ignore[no-untyped-def]
        return {"shape": keras.saving.serialize_keras_object(self.shape), "highest": float(self.highest)}

    @classmethod
    def from_config(cls, config):  # type: ignore[no-untyped-def]
        return cls(keras.saving.deserialize_keras_object(config["shape"]), config["highest"])


@keras.saving.register_keras_serializable("tfpt")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from 0 to the first value of ``after`` over ``warmup_steps``, then follows ``after``.

    Update number ``warmup_steps`` (counted from 0) is the first at the full rate.
    """

    def __init__(self, after: keras.optimizers.schedules.LearningRateSchedule, warmup_steps: int):
        super().__init__()
        self.after = after
        self.warmup_steps = warmup_steps

    def __call__(self, step):  # type: ignore[no-untyped-def]
        step = keras.ops.cast(step, "float32")
        warmup_steps = float(self.warmup_steps)
        rising = self.after(0.0) * (step + 1.0) / (warmup_steps + 1.0)
        return keras.ops.where(step < warmup_steps, rising, self.after(keras.ops.maximum(step - warmup_steps, 0.0)))

    def get_config(self):  # type: ignore[no-untyped-def]
        return {"after": keras.saving.serialize_keras_object(self.after), "warmup_steps": self.warmup_steps}

    @classmethod
    def from_config(cls, config):  # type: ignore[no-untyped-def]
        return cls(keras.saving.deserialize_keras_object(config["after"]), config["warmup_steps"])


def learning_rate(config: OptimizerConfig, steps_per_epoch: int,
                  epochs: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """What to hand to a Keras optimizer: a number where nothing changes it (callbacks may set it), else ``Scaled``.

    Raises:
        ConfigError: a warm-up as long as the run, or an exponential schedule to 0.
    """
    highest = UNFOUND_RATE if isinstance(config.learning_rate, str) else config.learning_rate
    total_steps = steps_per_epoch * epochs
    warmup_steps = round(config.warmup_epochs * steps_per_epoch)
    if warmup_steps >= total_steps:
        raise ConfigError(f"optimizer.warmup_epochs: {config.warmup_epochs:g} has to be shorter than the run, "
                          f"train.epochs: {epochs}.")
    if config.schedule == "constant" and not warmup_steps:
        return highest
    after = _falling(config, total_steps - warmup_steps)
    return Scaled(WarmUp(after, warmup_steps) if warmup_steps else after, highest)


def _falling(config: OptimizerConfig, decay_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """From 1 to ``config.final_rate``."""
    schedules = keras.optimizers.schedules
    if config.schedule == "constant":
        return schedules.PolynomialDecay(1.0, decay_steps, end_learning_rate=1.0)
    if config.schedule == "linear":
        return schedules.PolynomialDecay(1.0, decay_steps, end_learning_rate=config.final_rate, power=1.0)
    if config.schedule == "cosine":
        return schedules.CosineDecay(1.0, decay_steps, alpha=config.final_rate)
    if config.final_rate == 0:
        raise ConfigError("optimizer.final_rate: an exponential schedule never reaches 0; give a small fraction "
                          "such as 0.01.")
    return schedules.ExponentialDecay(1.0, decay_steps, decay_rate=config.final_rate)
