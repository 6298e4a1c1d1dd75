"""Writes a SavedModel that TF Serving can serve: signatures with named inputs and outputs, assets, no variables."""

import tempfile
from pathlib import Path

import tensorflow as tf

from tfpt.errors import ExportError
from tfpt.export.graph_ops import python_ops
from tfpt.task import ServedModel, Signature, TensorInfo


def write_saved_model(served: ServedModel, directory: Path) -> None:
    """Write ``served`` into ``directory``, which is empty.

    Raises:
        ExportError: the graph needs Python where it runs, or there is no room.
    """
    functions = {name: traced(signature) for name, signature in served.signatures.items()}
    for name, function in functions.items():
        found = python_ops(function.graph.as_graph_def())
        if found:
            raise ExportError(f"Expected a model that runs without Python, but its signature {name} calls Python "
                              f"({', '.join(sorted(found))}), which no server can. Replace tf.py_function and "
                              f"tf.numpy_function in its layers by TensorFlow's own operations.")
    module = tf.Module()
    with tempfile.TemporaryDirectory() as scratch:
        module.texts = [_asset(Path(scratch) / name, text) for name, text in served.assets.items()]
        try:
            tf.saved_model.save(module, str(directory), signatures=functions)
        except tf.errors.OpError as error:  # TensorFlow's own file system says it in its own words
            raise ExportError(f"Expected to write a SavedModel into {directory.parent}, but: {error.message}. Nothing "
                              f"was published. Make room, or choose another directory with --to.") from error


def traced(signature: Signature) -> tf.types.experimental.ConcreteFunction:
    """The signature as a graph, with its names at inputs and outputs and a batch of any size."""
    specs = {name: tensor_spec(name, info) for name, info in signature.inputs.items()}
    return tf.function(lambda **inputs: dict(signature.call(**inputs)), autograph=False).get_concrete_function(**specs)


def tensor_spec(name: str, info: TensorInfo) -> tf.TensorSpec:
    """An input as TensorFlow describes it."""
    return tf.TensorSpec(info.shape, tf.string if info.dtype == "bytes" else tf.as_dtype(info.dtype), name=name)


def _asset(path: Path, text: str) -> tf.saved_model.Asset:
    path.write_text(text, encoding="utf-8")
    return tf.saved_model.Asset(str(path))
