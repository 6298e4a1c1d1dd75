"""Learning rate over update steps: Keras's own schedules, each behind an optional linear warm-up."""

import keras

from tfpt.config.shared import OptimizerConfig
from tfpt.errors import ConfigError


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
    """What to hand to a Keras optimizer: a number where nothing changes it (callbacks may set it), else a schedule.

    Raises:
        ConfigError: a warm-up as long as the run, or an exponential schedule to 0.
    """
    total_steps = steps_per_epoch * epochs
    warmup_steps = round(config.warmup_epochs * steps_per_epoch)
    if warmup_steps >= total_steps:
        raise ConfigError(f"optimizer.warmup_epochs: {config.warmup_epochs:g} has to be shorter than the run, "
                          f"train.epochs: {epochs}.")
    if config.schedule == "constant" and not warmup_steps:
        return config.learning_rate
    after = _falling(config, total_steps - warmup_steps)
    return WarmUp(after, warmup_steps) if warmup_steps else after


def _falling(config: OptimizerConfig, decay_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    schedules = keras.optimizers.schedules
    highest, final = config.learning_rate, config.learning_rate * config.final_rate
    if config.schedule == "constant":
        return schedules.PolynomialDecay(highest, decay_steps, end_learning_rate=highest)
    if config.schedule == "linear":
        return schedules.PolynomialDecay(highest, decay_steps, end_learning_rate=final, power=1.0)
    if config.schedule == "cosine":
        return schedules.CosineDecay(highest, decay_steps, alpha=config.final_rate)
    if config.final_rate == 0:
        raise ConfigError("optimizer.final_rate: an exponential schedule never reaches 0; give a small fraction "
                          "such as 0.01.")
    return schedules.ExponentialDecay(highest, decay_steps, decay_rate=config.final_rate)
