"""A trained model as one graph of constants: variables folded in, BatchNormalization folded into convolutions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tfpt.errors import ExportError
from tfpt.training.graph_runner import graph_runner

MAX_GRAPH_BYTES = 2 ** 31 - 2 ** 20
"""A protobuf message, which a graph with its constants is, can't exceed 2 GiB."""


@dataclass(frozen=True, eq=False)
class Network:
    """From the model's input to its outputs by name. Calling it takes an empty batch too.

    ``of_rows`` is the same for a batch of one row or more, free of control flow: converters to other formats can't
    translate it, and it would hide the network from what makes those fast.
    """

    of_rows: Callable[[tf.Tensor], dict[str, tf.Tensor]]
    dtype: str
    shape: tuple[int | None, ...]
    answers: Mapping[str, tf.TensorSpec]

    def __call__(self, values: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.ensure_shape(tf.cast(values, self.dtype), self.shape)
        # Convolutions of an empty batch fail in some kernels.
        results = tf.cond(tf.shape(values)[0] > 0, lambda: list(self.of_rows(values).values()),
                          lambda: [_no_rows(spec) for spec in self.answers.values()])
        return {name: tf.ensure_shape(result, spec.shape)
                for (name, spec), result in zip(self.answers.items(), results, strict=True)}


def constant_network(model: keras.Model, outputs: Mapping[str, Any]) -> Network:
    """A function of the model's one input, cast to its dtype, to ``outputs`` (KerasTensors of the model) by name.

    It runs in inference mode and has no variables. Sharing it between signatures stores its constants once. The
    model is frozen by this.

    Raises:
        ExportError: the weights are more than a graph can hold.
    """
    weight_bytes = sum(weight.value.dtype.size * weight.value.shape.num_elements() for weight in model.weights)
    if weight_bytes > MAX_GRAPH_BYTES:
        raise ExportError(f"The weights are {weight_bytes / 2 ** 30:.1f} GiB, but the graph that an export is can hold "
                          f"2 GiB at most. Train a smaller model.")
    model.trainable = False
    names = sorted(outputs)
    run = graph_runner(model.inputs, [outputs[name] for name in names], fold=True)
    given = model.inputs[0]
    # Outputs come back in the order in which a flat list gave them: their names are lost on the way.
    traced = tf.function(run, autograph=False).get_concrete_function(tf.TensorSpec(given.shape, given.dtype))
    constant = _without_gradients(convert_variables_to_constants_v2(traced))
    answers = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in zip(names, constant.outputs)}

    def of_rows(values: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, tf.nest.flatten(constant(tf.cast(values, given.dtype))), strict=True))

    return Network(of_rows, given.dtype, tuple(given.shape), answers)


def _without_gradients(function: Any) -> Any:
    """The same without the gradients of their own that some functions have, such as silu: with one, whose constants
    are variables of the trace, nothing can be saved.
    """
    graph = function.graph.as_graph_def()
    for node in graph.node:
        node.attr.pop("_gradient_op_type", None)
    imported = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
    return imported.prune([tensor.name for tensor in function.inputs], [tensor.name for tensor in function.outputs])


def _no_rows(spec: tf.TensorSpec) -> tf.Tensor:
    return tf.zeros([0, *(side or 0 for side in spec.shape[1:])], spec.dtype)
