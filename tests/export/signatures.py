"""Small SavedModels whose signatures do what a test needs, and what to send them."""

import io
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

TYPES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
         "bool", "complex64", "complex128", "string"]


def picture(level: int) -> bytes:
    """A PNG of one level."""
    file = io.BytesIO()
    Image.fromarray(np.full((40, 30, 3), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


def save(directory: Path, **signatures) -> Path:
    """Each signature is a function of the one input ``x``, and its TensorSpec."""
    save_functions(directory, {name: tf.function(call, input_signature=[tf.TensorSpec(spec.shape, spec.dtype, "x")])
                               for name, (call, spec) in signatures.items()})
    return directory


def save_functions(directory: Path, functions) -> None:
    module = tf.Module()
    module.functions = functions
    tf.saved_model.save(module, str(directory), signatures=functions)


def save_identity(directory: Path) -> Path:
    """serving_default gives back a tensor of every type and of any shape, under the type's name."""
    @tf.function(autograph=False, input_signature=[tf.TensorSpec(None, name, name) for name in TYPES])
    def identity(*tensors):
        return {name: tf.identity(tensor) for name, tensor in zip(TYPES, tensors)}

    save_functions(directory, {"serving_default": identity})
    return directory


def random_values(dtype: str, shape, generator) -> np.ndarray:
    if dtype == "string":
        values = np.empty(shape, object)
        values.reshape(-1)[:] = [generator.bytes(int(size)) for size in generator.integers(0, 60, values.size)]
        return values
    return np.asarray(generator.integers(0, 2 if dtype == "bool" else 100, shape)).astype(dtype)


def endless(x):
    """Tells that it has begun, and never ends."""
    said = tf.print("it runs", output_stream=sys.stderr)
    with tf.control_dependencies([said]):
        return {"y": tf.while_loop(lambda i: i >= 0, lambda i: [(i + 1) % 1000], [tf.cast(x[0], tf.int32)])[0][None]}


def edit_graph(directory: Path, edit) -> None:
    """Change the MetaGraphDef in saved_model.pb."""
    path = directory / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    edit(saved.meta_graphs[0])
    path.write_bytes(saved.SerializeToString())
