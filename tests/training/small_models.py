"""Small functional models in the shape that freezing works on: an input, named units, a head."""

import keras

from tfpt.task import Unit


def residual_model(blocks: int = 3, width: int = 4, classes: int = 3, dropout: float = 0.0) -> keras.Model:
    """Convolution, BatchNormalization and a shortcut per block, then a pooled softmax head. Input [b, 8, 8, 3]."""
    inputs = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Conv2D(width, 3, padding="same", name="stem")(inputs)
    for block in range(blocks):
        y = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"block_{block}_conv")(x)
        y = keras.layers.BatchNormalization(name=f"block_{block}_bn")(y)
        y = keras.layers.ReLU(name=f"block_{block}_relu")(y)
        if dropout:
            y = keras.layers.Dropout(dropout, name=f"block_{block}_drop")(y)
        x = keras.layers.Add(name=f"block_{block}_add")([x, y])
    pooled = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    outputs = keras.layers.Dense(classes, "softmax", name="head_output")(pooled)
    return keras.Model(inputs, outputs)


def units_of(model: keras.Model) -> list[Unit]:
    """Every layer but the input and the head is a unit."""
    return [Unit(layer.name, (layer,)) for layer in model.layers
            if not layer.name.startswith("head_") and not isinstance(layer, keras.layers.InputLayer)]
