"""Writes a network as LiteRT (TensorFlow Lite), if asked with float16 weights or in int8."""

import itertools
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfpt.config.export import SERVING
from tfpt.errors import ExportError, TfptError
from tfpt.export.chatter import chatter_shown_on_failure
from tfpt.export.saved_model import traced
from tfpt.task import Signature

Quantize = Literal["none", "float16", "int8"]
Batches = Iterable[Mapping[str, np.ndarray]]

MISSING_OPS = re.compile(r"^(?:TF Select|Custom) ops: (.+)$", re.MULTILINE)
INSTEAD = "or leave --format out: a SavedModel holds every model."


def write_litert(network: Signature, path: Path, quantize: Quantize = "none",
                 calibration: Batches | None = None) -> None:
    """Write ``network`` to the file ``path``, with one signature, ``serving_default``, named as the network's own.

    Inputs and outputs stay float32 and a batch may have any size.

    Args:
        quantize: ``float16`` halves the weights. ``int8`` makes weights and activations 8-bit integers, weights of a
            convolution with a scale for each channel.
        calibration: for ``int8``, inputs of training examples by name, in batches of any size: their activations
            set the scales. A few hundred examples, of all classes, are enough.

    Raises:
        ExportError: it needs an operation that LiteRT's own runtime doesn't have, or not in int8; there is nothing to
            calibrate on; or the converter fails.
    """
    try:
        with chatter_shown_on_failure():
            content = _converted(network, quantize, calibration)
            if quantize == "int8":
                _check_int8(content)
    except TfptError:
        raise
    except Exception as error:  # the converter raises nearly every type
        raise ExportError(f"Expected to convert the network to LiteRT, but TensorFlow's converter failed "
                          f"({type(error).__name__}); what it printed is above. Choose another --quantize, "
                          f"{INSTEAD}") from error
    path.write_bytes(content)


def _converted(network: Signature, quantize: Quantize, calibration: Batches | None) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        # Given a function it would do this too, but if that fails make a file without signature, and not say so.
        tf.saved_model.save(tf.Module(), scratch, signatures={SERVING: traced(network)})
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=[SERVING])
        return _convert(converter, quantize, calibration)


def _convert(converter: Any, quantize: Quantize, calibration: Batches | None) -> bytes:
    # Only what every runtime has: with TensorFlow's own operations (Flex) a file is written that few can run.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize == "int8":
        batches = _some(calibration)
        converter.representative_dataset = lambda: batches
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    try:
        return converter.convert()
    except Exception as error:
        missing = sorted({name for names in MISSING_OPS.findall(str(error)) for name in names.strip().split(", ")})
        if not missing:
            raise
        raise ExportError(f"Expected a network of operations that LiteRT's own runtime has, but it needs "
                          f"{', '.join(missing)}. Replace them in the model's layers, {INSTEAD}") from error


def _some(calibration: Batches | None) -> Iterable[dict[str, np.ndarray]]:
    batches = iter(calibration or ())
    first = next(batches, None)
    if first is None:
        raise ExportError("Expected training examples to calibrate int8 on, but there are none. Use --quantize "
                          "float16, which needs none.")
    return (dict(batch) for batch in itertools.chain([first], batches))


def _check_int8(content: bytes) -> None:
    """The converter leaves in float32 what has no int8 form, without a word."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    floats = {tensor["index"] for tensor in interpreter.get_tensor_details() if tensor["dtype"] == np.float32}
    left = sorted({op["op_name"] for op in interpreter._get_ops_details()  # the only way to read them
                   if op["op_name"] not in ("QUANTIZE", "DEQUANTIZE") and floats & _tensors(op)})
    if left:
        raise ExportError(f"Expected a network that can compute in int8, but {', '.join(left)} would stay in float32. "
                          f"Use --quantize float16.")


def _tensors(op: Mapping[str, Any]) -> set[int]:
    return {int(index) for index in (*op["inputs"], *op["outputs"])}
