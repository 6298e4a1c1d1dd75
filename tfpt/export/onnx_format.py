"""Writes a network as ONNX, by tf2onnx."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpt.errors import ExportError, TfptError
from tfpt.export.chatter import chatter_shown_on_failure
from tfpt.export.saved_model import tensor_spec
from tfpt.task import Signature

OPSET = 15
"""What tf2onnx prefers, in the middle of the opsets 14 to 18 that it is tested with. Every ONNX Runtime from 1.10 on
reads it, and so do the converters to other runtimes; later opsets have nothing that a network gains by."""


def write_onnx(network: Signature, path: Path) -> None:
    """Write ``network`` to the file ``path``: inputs and outputs named as in the signature, a batch of any size.

    Raises:
        ExportError: it needs an operation that ONNX doesn't have, or the converter fails.
    """
    try:
        with chatter_shown_on_failure():
            model = _converted(network)
    except TfptError:
        raise
    except Exception as error:  # tf2onnx and onnx raise nearly every type
        raise ExportError(f"Expected to convert the network to ONNX, but tf2onnx failed ({type(error).__name__}); what "
                          f"it printed is above. Leave --format out: a SavedModel holds every model.") from error
    path.write_bytes(model.SerializeToString())


def _converted(network: Signature) -> Any:
    import onnx
    import tf2onnx

    specs = {name: tensor_spec(name, info) for name, info in network.inputs.items()}
    function = tf.function(lambda tensors: dict(network.call(**tensors)), autograph=False)
    model, _ = tf2onnx.convert.from_function(function, [specs], opset=OPSET, custom_op_handlers={"Erfc": (_erfc, [])})
    # tf2onnx leaves what it can't convert in the model, as if it were ONNX, and only says so in its log.
    foreign = sorted(set(_foreign_ops(model.graph)))
    if foreign:
        raise ExportError(f"Expected a network of operations that ONNX has, but it needs {', '.join(foreign)}, which "
                          f"tf2onnx can't express in ONNX's opset {OPSET}. Replace them in the model's layers, or "
                          f"leave --format out: a SavedModel holds every model.")
    _describe(model.graph, network)
    onnx.checker.check_model(model, full_check=True)
    return model


def _erfc(graph: Any, node: Any, name: str, _: Any) -> Any:
    """1 − erf, which tf2onnx doesn't know, but gelu is made of."""
    from tf2onnx.utils import make_name, map_onnx_to_numpy_type

    shape, dtype = graph.get_shape(node.input[0]), graph.get_dtype(node.input[0])
    erf = graph.make_node("Erf", [node.input[0]], shapes=[shape], dtypes=[dtype])
    one = graph.make_const(make_name("one"), np.ones((), map_onnx_to_numpy_type(dtype)))
    graph.remove_node(node.name)
    return graph.make_node("Sub", [one.output[0], erf.output[0]], name=name, outputs=node.output, shapes=[shape],
                           dtypes=[dtype])


def _foreign_ops(graph: Any) -> Iterator[str]:
    import onnx

    for node in graph.node:
        if node.domain or not onnx.defs.has(node.op_type, OPSET, ""):
            yield node.op_type
        for attribute in node.attribute:
            for part in (attribute.g, *attribute.graphs):
                yield from _foreign_ops(part)


def _describe(graph: Any, network: Signature) -> None:
    """What a viewer shows; tf2onnx gives it names that change from one conversion to the next."""
    graph.name, graph.doc_string = "network", network.about
    infos = {**network.inputs, **network.outputs}
    for value in (*graph.input, *graph.output):
        value.doc_string = infos[value.name].about
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
