"""Small functional models in the shape that freezing works on: an input, named units, a head."""

import keras
import numpy as np

from tfpt.task import Unit


def residual_model(blocks: int = 3, width: int = 4, classes: int = 3, dropout: float = 0.0,
                   of_bytes: bool = False, noise_shape: tuple[int | None, ...] | None = None) -> keras.Model:
    """Convolution, BatchNormalization and a shortcut per block, then a pooled softmax head. Input [b, 8, 8, 3], about
    0 to 1, or 0 to 255 if it is ``of_bytes``.
    """
    inputs = keras.Input((8, 8, 3), name="pixels")
    scaled = keras.layers.Rescaling(1 / 255, name="scale")(inputs) if of_bytes else inputs
    x = keras.layers.Conv2D(width, 3, padding="same", name="stem")(scaled)
    for block in range(blocks):
        y = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"block_{block}_conv")(x)
        y = keras.layers.BatchNormalization(name=f"block_{block}_bn")(y)
        y = keras.layers.ReLU(name=f"block_{block}_relu")(y)
        if dropout:
            y = keras.layers.Dropout(dropout, noise_shape, name=f"block_{block}_drop")(y)
        x = keras.layers.Add(name=f"block_{block}_add")([x, y])
    pooled = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    outputs = keras.layers.Dense(classes, "softmax", name="head_output", dtype="float32")(pooled)
    return keras.Model(inputs, outputs)


def units_of(model: keras.Model) -> list[Unit]:
    """Every layer but the input and the head is a unit."""
    return [Unit(layer.name, (layer,)) for layer in model.layers
            if not layer.name.startswith("head_") and not isinstance(layer, keras.layers.InputLayer)]


def randomise(model: keras.Model, seed: int = 0) -> keras.Model:
    """Give BatchNormalization and biases values as training leaves them: none is 0 or 1."""
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        for weight in layer.weights:
            if weight.path.endswith(("moving_variance", "gamma")):
                weight.assign(generator.uniform(0.5, 2.0, weight.shape))
            elif weight.path.endswith(("moving_mean", "beta", "bias")):
                weight.assign(generator.normal(size=weight.shape))
    return model


def random_residual_model(seed: int, side: int) -> keras.Model:
    """Two to four blocks of convolutions of random kinds, some with a shortcut; a pooled softmax head."""
    choose = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((side, side, 3), name="pixels")
    x = keras.layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    for block in range(choose.integers(2, 5)):
        kind, bias, strides = choose.integers(3), bool(choose.integers(2)), int(choose.integers(1, 3))
        if kind == 0:
            y = keras.layers.Conv2D(4, 3, strides, "same", use_bias=bias, name=f"block_{block}_conv")(x)
        elif kind == 1:
            y = keras.layers.DepthwiseConv2D(3, strides, "same", use_bias=bias, name=f"block_{block}_conv")(x)
        else:
            y = keras.layers.ZeroPadding2D(1, name=f"block_{block}_pad")(x)
            y = keras.layers.Conv2D(4, 3, strides, use_bias=bias, name=f"block_{block}_conv")(y)
        y = keras.layers.BatchNormalization(name=f"block_{block}_bn")(y)
        y = keras.layers.ReLU(6.0, name=f"block_{block}_relu")(y)
        x = keras.layers.Add(name=f"block_{block}_add")([x, y]) if y.shape == x.shape else y
    pooled = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    return randomise(keras.Model(inputs, keras.layers.Dense(3, "softmax", name="head_output")(pooled)), seed)
