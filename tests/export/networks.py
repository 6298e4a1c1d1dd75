"""Networks to convert: a small MobileNetV2, one of two inputs, and some that a format can't hold."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpt.config.image_classification import HeadConfig, ImageModelConfig
from tfpt.data.digits import read_digits
from tfpt.data.listing import ALL
from tfpt.export.network import constant_network
from tfpt.models.classifier import build_classifier
from tfpt.models.pretrained import load_backbone_weights
from tfpt.task import Signature, TensorInfo

SIZE = 96
CLASSES = 10
LEARNT_FROM = 200
RIDGE = 40.0


def digits(first: int, stop: int) -> dict[str, np.ndarray]:
    """Inputs of ``mobilenet``: some of the bundled digits, each of their 8×8 pixels as a square."""
    pixels = read_digits().parts[ALL].pixels[first:stop]
    return {"pixels": pixels.repeat(SIZE // 8, 1).repeat(SIZE // 8, 2).repeat(3, 3).astype(np.float32)}


@functools.cache
def mobilenet() -> Signature:
    """MobileNetV2 0.35 at 96×96 with the bundled weights, and a head fitted to the first digits by least squares."""
    config = ImageModelConfig(alpha=0.35, weights="bundled", head=HeadConfig(units=()))
    model = build_classifier(config, SIZE, CLASSES)
    load_backbone_weights(model, config, SIZE)
    embedding = model.get_layer("head_pool").output
    features = keras.Model(model.inputs, embedding).predict(digits(0, LEARNT_FROM), verbose=0)
    wanted = np.eye(CLASSES)[read_digits().parts[ALL].labels[:LEARNT_FROM]] - 1 / CLASSES
    kernel = np.linalg.solve(features.T @ features + RIDGE * np.eye(features.shape[1]), features.T @ wanted)
    model.get_layer("head_output").set_weights([5 * kernel.astype(np.float32), np.zeros(CLASSES, np.float32)])
    network = constant_network(model, {"probabilities": model.outputs[0], "features": embedding})
    return Signature(
        "pixels to probabilities and embedding",
        {"pixels": TensorInfo("float32", (None, SIZE, SIZE, 3), "RGB levels")},
        {"probabilities": TensorInfo("float32", (None, CLASSES), "of each class"),
         "features": TensorInfo("float32", (None, 1280), "the embedding")}, lambda pixels: network.of_rows(pixels))


def rows_of_three(call: Callable[..., dict[str, Any]], *inputs: str) -> Signature:
    """``call`` as a network from float32 ``[batch, 3]`` inputs to one such output, ``result``."""
    info = TensorInfo("float32", (None, 3), "three numbers")
    return Signature("numbers to numbers", {name: info for name in inputs}, {"result": info}, call)


def difference() -> Signature:
    """``minuend`` − ``subtrahend``, in an order that isn't that of the alphabet."""
    return rows_of_three(lambda subtrahend, minuend: {"result": minuend - subtrahend}, "subtrahend", "minuend")


def direct(network: Signature, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What TensorFlow itself answers."""
    return {name: value.numpy() for name, value in network.call(**{name: tf.constant(value) for name, value
                                                                   in inputs.items()}).items()}
