"""Heads: what stands on a backbone's features and gives the task's outputs."""

import keras

from tfpt.config.image_classification import HeadConfig

POOL = "head_pool"


def classification_head(features: keras.KerasTensor, head: HeadConfig, classes: int) -> keras.KerasTensor:
    """Class probabilities, float32 ``[batch, classes]``, from features ``[batch, height, width, channels]``.

    Initial weights and dropout seeds are drawn from Python's generator, which ``keras.utils.set_random_seed`` sets.
    """
    x = keras.layers.GlobalAveragePooling2D(name=POOL)(features)
    x = keras.layers.Dropout(head.dropout, name="head_dropout")(x)
    for number, units in enumerate(head.units, start=1):
        name = f"head_dense_{number}"
        x = keras.layers.Dense(units, head.activation, kernel_regularizer=_penalty(head), name=name)(x)
    return keras.layers.Dense(classes, "softmax", kernel_regularizer=_penalty(head), dtype="float32",
                              name="head_output")(x)


def _penalty(head: HeadConfig) -> keras.regularizers.Regularizer | None:
    return keras.regularizers.L1L2(head.l1, head.l2) if head.l1 > 0 or head.l2 > 0 else None
