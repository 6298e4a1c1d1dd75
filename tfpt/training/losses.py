"""Per-example losses of classifiers, and the targets of mixed examples."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfpt.config.shared import LossConfig
from tfpt.errors import ConfigError

LossPerExample = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""``loss(labels int32 [b], probabilities float32 [b, classes]) -> float32 [b]``."""

Targets = Mapping[str, tf.Tensor]
"""``label`` int32 [b]; of mixed examples ``other_label`` int32 [b] as well, and ``share`` float32 [b], the label's."""

TARGET_NAMES = ("label", "other_label", "share")


def cross_entropy(classes: int, label_smoothing: float = 0.0, class_weights: np.ndarray | None = None,
                  focal_gamma: float = 0.0) -> LossPerExample:
    """Cross-entropy, or the focal loss, of the softmax's probabilities.

    Label smoothing gives every class ``label_smoothing / classes`` of the target (Szegedy et al. 2016, section 7);
    ``class_weights`` float32 [classes] multiplies each example's loss by its class's weight. The focal loss with
    several classes is ``-sum_c target_c * (1 - p_c) ** focal_gamma * log(p_c)`` (Lin et al. 2017, equation 4, whose
    target is one class; equation 5's alpha is the class's weight). As cross-entropy it is linear in the target, so
    that smoothing and mixing mean the same for both.
    """

    def loss(labels: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        targets = tf.one_hot(labels, classes)
        if focal_gamma:
            losses = keras.losses.categorical_focal_crossentropy(targets, probabilities, alpha=1.0, gamma=focal_gamma,
                                                                 label_smoothing=label_smoothing)
        else:
            losses = keras.losses.categorical_crossentropy(targets, probabilities, label_smoothing=label_smoothing)
        return losses if class_weights is None else losses * tf.gather(tf.constant(class_weights), labels)

    return loss


def loss_of_targets(loss: LossPerExample, targets: Targets, probabilities: tf.Tensor) -> tf.Tensor:
    """float32 [b]: ``loss``, of mixed examples ``share * loss(label) + (1 - share) * loss(other_label)`` (Zhang et al.
    2018), in which each label has its own class's weight.
    """
    losses = loss(targets["label"], probabilities)
    if "share" not in targets:
        return losses
    share = targets["share"]
    return share * losses + (1 - share) * loss(targets["other_label"], probabilities)


def main_label(targets: Targets) -> tf.Tensor:
    """int32 [b]: the label, of mixed examples that with the larger share."""
    if "share" not in targets:
        return targets["label"]
    return tf.where(targets["share"] >= 0.5, targets["label"], targets["other_label"])


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
