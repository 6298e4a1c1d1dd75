"""Warm-up requests: what TensorFlow Serving sends itself when it loads an export, so that no client waits for it."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from tfpt.errors import ExportError
from tfpt.export.ask import telling_line

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MOST_RECORDS = 1000
"""TensorFlow Serving refuses a model with more."""
MOST_BYTES = 256 * 2 ** 20
"""Of all requests of a file in memory."""
TEXT_BYTES = 64
"""Of one text in memory beside its content: a pointer and an object."""
RECORD_OVERHEAD = 16
"""Bytes of a TFRecord beside its content: length and two checksums."""


def write_warmup(directory: Path, model_name: str, records: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Write ``(signature, batch)`` pairs into ``assets.extra`` of the SavedModel in ``directory``.

    A batch maps input names to a list of bytes or an array, of the very dtype that the signature takes.

    Raises:
        ExportError: there are more than ``MOST_RECORDS``, or they can't be written.
    """
    path = directory / WARMUP_FILE
    try:
        path.parent.mkdir(exist_ok=True)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for number, (signature, batch) in enumerate(records):
                if number == MOST_RECORDS:
                    raise ExportError(f"TensorFlow Serving takes at most {MOST_RECORDS:,} warm-up requests, but there "
                                      "are more. Pass fewer, larger ones.")
                writer.write(_log(model_name, signature, batch).SerializeToString())
    except (OSError, tf.errors.OpError) as error:
        raise ExportError(f"The warm-up requests can't be written to {path}: {error}. Make room, or choose another "
                          "directory.") from error


def read_warmup(directory: Path) -> list[tuple[str, dict[str, np.ndarray]]]:
    """The ``(signature, batch)`` pairs of an export, texts as arrays of bytes objects; empty if it has no such file.

    Raises:
        ExportError: the file is damaged, holds other than predict requests, or more than ``MOST_BYTES``.
    """
    path = directory / WARMUP_FILE
    if not path.exists():
        return []
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(_too_large(path.stat().st_size))
        records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        if sum(len(record) + RECORD_OVERHEAD for record in records) != path.stat().st_size:
            raise ValueError("its end is cut off")  # TensorFlow passes over a last record of a few bytes
        if len(records) > MOST_RECORDS:
            raise ValueError(f"it holds {len(records):,}, and TensorFlow Serving takes {MOST_RECORDS:,}")
        requests = [_predict_request(record) for record in records]
        # Before any is converted: a few bytes can stand for a tensor that no memory holds.
        size = sum(_bytes_in_memory(name, tensor) for request in requests for name, tensor in request.inputs.items())
        if size > MOST_BYTES:
            raise ValueError(_too_large(size))
        return [(request.model_spec.signature_name or "serving_default",
                 {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}) for request in requests]
    except (OSError, tf.errors.OpError, DecodeError, ValueError, TypeError, OverflowError) as error:
        reason = telling_line(error.message if isinstance(error, tf.errors.OpError) else str(error))
        raise ExportError(f"Expected predict requests as TFRecords of PredictionLog in {path}, but: {reason}. Export "
                          "the model again, or delete the file: servers then start cold.") from error


def _log(model_name: str, signature: str, batch: Mapping[str, Any]) -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    for name, values in batch.items():
        array = np.asarray(values, object) if isinstance(values, list) else np.asarray(values)
        dtype = tf.string if array.dtype.kind in "OS" else array.dtype
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array, dtype=dtype, shape=array.shape))
    return log


def _predict_request(record: bytes) -> Any:
    log = prediction_log_pb2.PredictionLog.FromString(record)
    kind = log.WhichOneof("log_type")
    if kind != "predict_log":
        raise ValueError(f"a record holds {f'a {kind}' if kind else 'nothing'}, which can't be sent again")
    return log.predict_log.request


def _bytes_in_memory(name: str, tensor: Any) -> int:
    """Of a TensorProto once it is an array. ValueError: it has no size, or no type that an array has."""
    sides = [side.size for side in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or any(side < 0 for side in sides):
        raise ValueError(f"{name} has no definite shape")
    try:
        dtype = tf.as_dtype(tensor.dtype)
    except TypeError as error:
        raise ValueError(f"{name} has the unknown data type {tensor.dtype}") from error
    elements = math.prod(sides)
    if dtype != tf.string:
        if not dtype.size or dtype.is_quantized:
            raise ValueError(f"{name} has the data type {dtype.name}, which can't be sent again")
        return elements * dtype.size
    texts = tensor.string_val
    if len(texts) > elements or (elements and not texts):
        raise ValueError(f"{name} has {len(texts):,} texts for {elements:,} elements")
    repeated = (elements - len(texts)) * len(texts[-1]) if texts else 0  # the last stands for those left out
    return elements * TEXT_BYTES + sum(map(len, texts)) + repeated


def _too_large(size: int) -> str:
    return f"it would take {size:,} bytes, more than {MOST_BYTES:,}"
