"""Classifiers whose answers are known by construction."""

import keras
import numpy as np

SIDE, CELL = 32, 4
DIM = 100  # levels below don't count


def patch_model() -> keras.Model:
    """Levels ``[batch, 32, 32, 3]`` to the probabilities of "plain" and "patch": of 8×8 cells of 4×4 pixels, those
    whose mean level is above 100 speak for "patch", each by what it is above.
    """
    pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
    cells = keras.layers.Conv2D(2, CELL, strides=CELL, activation="relu", name="cells")
    pooled = keras.layers.GlobalAveragePooling2D(name="head_pool")(cells(pixels))
    output = keras.layers.Dense(2, "softmax", name="head_output")
    model = keras.Model(pixels, output(pooled))
    mean = np.full((CELL, CELL, 3), 1 / (3 * CELL**2))
    cells.set_weights([np.stack([mean, -mean], axis=-1), np.array([-DIM, 20.0])])  # the second: cells below 20
    output.set_weights([np.array([[0.0, 2.0], [1.0, 0.0]]), np.zeros(2)])
    return model


def patch_image(row: int, column: int, seed: int = 0) -> np.ndarray:
    """uint8 noise of 30 to 90 with a cell of 250 at ``row`` and ``column`` (0 to 7)."""
    image = np.random.default_rng(seed).integers(30, 90, (SIDE, SIDE, 3)).astype(np.uint8)
    image[patch_slices(row, column)] = 250
    return image


def patch_slices(row: int, column: int) -> tuple[slice, slice]:
    """The pixels of a cell."""
    return slice(CELL * row, CELL * (row + 1)), slice(CELL * column, CELL * (column + 1))
