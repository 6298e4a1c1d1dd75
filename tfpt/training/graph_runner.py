"""Runs a piece of a functional model: what training reaches in training mode, the rest in inference mode.

Frozen BatchNormalization can be folded into the convolution in front of it, ``w' = w·γ/√(σ²+ε)`` with bias
``β − μ·γ/√(σ²+ε)`` (Jacob et al. 2018, section 3.2), whose kernel is then a constant where it is frozen too.
TensorFlow makes one kernel of convolution, bias and activation, and nothing is normalised step by step.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpt.training.dropout import dropout, is_adjustable
from tfpt.training.graph_split import graph_nodes, takes_training

RunGraph = Callable[..., list[Any]]
"""From one tensor for each input to the list of the outputs."""


def graph_runner(inputs: Sequence[Any], outputs: Sequence[Any], *, reached: Container[int] = (),
                 fold: bool = False) -> RunGraph:
    """A function that computes ``outputs`` from ``inputs`` (KerasTensors of one model) through its own layers.

    Args:
        inputs: tensors that lead to ``outputs``; values are cast to their dtypes.
        outputs: what the function returns, in this order.
        reached: ids of the calls that run with ``training=True``, as ``reached_nodes`` gives them.
        fold: fold frozen BatchNormalization. The constants are those of this moment: make a new function after a
            frozen weight was assigned. Results agree to rounding (about 1e-6 of the largest value).

    Raises:
        ValueError: ``outputs`` can't be computed from ``inputs``.
    """
    nodes = graph_nodes(inputs, outputs)
    folds = _find_folds(nodes) if fold else {}
    # What is an output as well runs on its own beside: how one output is computed mustn't depend on the others.
    wanted = {id(tensor) for tensor in outputs}
    replaced = {id(node) for found in folds.values() for node in found.replaced
                if not any(id(tensor) in wanted for tensor in node.outputs)}

    def run(*values: Any) -> list[Any]:
        tensors = {id(tensor): tf.cast(value, tensor.dtype) for tensor, value in zip(inputs, values, strict=True)}
        for node in nodes:
            if id(node) in folds:
                results = [folds[id(node)](tensors)]
            elif id(node) in replaced:
                continue
            else:
                results = keras.tree.flatten(_call(node, tensors, id(node) in reached))
            tensors.update({id(tensor): result for tensor, result in zip(node.outputs, results, strict=True)})
        return [tensors[id(tensor)] for tensor in outputs]

    return run


def _call(node: Any, tensors: Mapping[int, Any], training: bool) -> Any:
    arguments, keywords = node.arguments.fill_in(tensors)
    if training and is_adjustable(node.operation):
        return dropout(node.operation, *arguments)
    if takes_training(node.operation):
        keywords["training"] = training
    return node.operation(*arguments, **keywords)


@dataclass(frozen=True, eq=False)
class _Fold:
    """A convolution with frozen BatchNormalization behind it, and perhaps zero padding in front, as one operation."""

    replaced: tuple[Any, ...]
    source: Any
    convolution: Any
    padding: str
    kernel: np.ndarray | None
    scale: np.ndarray
    bias: np.ndarray

    def __call__(self, tensors: Mapping[int, Any]) -> Any:
        kernel = self.convolution.kernel.value * self.scale if self.kernel is None else tf.constant(self.kernel)
        height, width = self.convolution.strides
        dilations = list(self.convolution.dilation_rate)
        if isinstance(self.convolution, keras.layers.DepthwiseConv2D):
            result = tf.nn.depthwise_conv2d(tensors[id(self.source)], kernel, [1, height, width, 1], self.padding,
                                            dilations=dilations)
        else:
            result = tf.nn.conv2d(tensors[id(self.source)], kernel, [height, width], self.padding,
                                  dilations=dilations)
        return tf.nn.bias_add(result, self.bias)


def _find_folds(nodes: Sequence[Any]) -> dict[int, _Fold]:
    """By id of the BatchNormalization's call. What has a second consumer stays as it is."""
    producers = {id(tensor): node for node in nodes for tensor in node.outputs}
    uses: dict[int, int] = {}
    for tensor in (tensor for node in nodes for tensor in node.input_tensors):
        uses[id(tensor)] = uses.get(id(tensor), 0) + 1

    def only_producer(node: Any) -> Any:
        tensor = node.input_tensors[0]
        return producers.get(id(tensor)) if uses[id(tensor)] == 1 else None

    folds = {}
    for node in nodes:
        if _is_frozen_batch_norm(node.operation):
            convolution = only_producer(node)
            if convolution is not None and _is_foldable(convolution.operation):
                padding = only_producer(convolution)
                folds[id(node)] = _fold(node, convolution, padding if _is_same(padding, convolution) else None)
    return folds


def _is_frozen_batch_norm(layer: Any) -> bool:
    return (type(layer) is keras.layers.BatchNormalization and not layer.trainable
            and layer.axis in (-1, 3) and layer.compute_dtype == "float32")


def _is_foldable(layer: Any) -> bool:
    return (type(layer) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D) and getattr(layer, "groups", 1) == 1
            and layer.data_format == "channels_last" and layer.activation is keras.activations.linear
            and layer.compute_dtype == "float32" and layer.quantization_mode is None
            and layer.activity_regularizer is None
            and not getattr(layer, "lora_enabled", False) and not (layer.use_bias and layer.trainable))


def _is_same(padding: Any, convolution: Any) -> bool:
    """Whether a ZeroPadding2D and the unpadded convolution behind it are a convolution with SAME padding."""
    layer = convolution.operation
    if padding is None or not isinstance(padding.operation, keras.layers.ZeroPadding2D) or layer.padding != "valid":
        return False
    sides = padding.input_tensors[0].shape[1:3]
    if None in sides or padding.operation.data_format != "channels_last":
        return False
    widths = []
    for side, kernel, stride, dilation in zip(sides, layer.kernel_size, layer.strides, layer.dilation_rate):
        total = max((-(-side // stride) - 1) * stride + (kernel - 1) * dilation + 1 - side, 0)
        widths.append((total // 2, total - total // 2))
    return tuple(map(tuple, padding.operation.padding)) == tuple(widths)


def _fold(batch_norm: Any, convolution: Any, padding: Any) -> _Fold:
    layer, norm = convolution.operation, batch_norm.operation
    scale = 1.0 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    scale = scale * norm.gamma.numpy() if norm.scale else scale
    bias = (layer.bias.numpy() if layer.use_bias else 0.0) - norm.moving_mean.numpy()
    bias = bias * scale + (norm.beta.numpy() if norm.center else 0.0)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        scale = scale.reshape(layer.kernel.shape[2:])  # output channel c·multiplier + m is kernel [:, :, c, m]
    first = convolution if padding is None else padding
    replaced = (convolution,) if padding is None else (convolution, padding)
    return _Fold(replaced, first.input_tensors[0], layer,
                 "SAME" if padding is not None else layer.padding.upper(),
                 None if layer.trainable else layer.kernel.numpy() * scale,
                 scale.astype(np.float32), bias.astype(np.float32))
