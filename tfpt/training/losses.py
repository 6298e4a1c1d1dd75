"""Per-example losses of classifiers."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfpt.config.shared import LossConfig
from tfpt.errors import ConfigError


def cross_entropy(classes: int, label_smoothing: float = 0.0,
                  class_weights: np.ndarray | None = None) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """``loss(labels int32 [b], probabilities float32 [b, classes]) -> float32 [b]``.

    Label smoothing gives every class ``label_smoothing / classes`` of the target (Szegedy et al. 2016, section 7);
    ``class_weights`` float32 [classes] multiplies each example's loss by its class's weight.
    """

    def loss(labels: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        losses = keras.losses.categorical_crossentropy(tf.one_hot(labels, classes), probabilities,
                                                       label_smoothing=label_smoothing)
        return losses if class_weights is None else losses * tf.gather(tf.constant(class_weights), labels)

    return loss


def class_weights(config: LossConfig, class_names: Sequence[str], train_counts: Sequence[int]) -> np.ndarray | None:
    """Float32 [classes], or None where all are 1. Balanced: examples / (classes * examples of the class).

    Raises:
        ConfigError: a weight for a class that the data hasn't, or one not above 0.
    """
    chosen = config.class_weights
    if chosen == "none":
        return None
    if isinstance(chosen, Mapping):
        unknown = sorted(set(chosen) - set(class_names))
        if unknown:
            raise ConfigError(f"loss.class_weights names {', '.join(unknown)}, but the classes of this data are "
                              f"{', '.join(class_names)}.")
        if min(chosen.values(), default=1.0) <= 0:
            raise ConfigError("loss.class_weights have to be above 0.")
        return np.array([chosen.get(name, 1.0) for name in class_names], np.float32)
    counts = np.asarray(train_counts, np.float64)
    return (counts.sum() / (len(counts) * counts)).astype(np.float32)
