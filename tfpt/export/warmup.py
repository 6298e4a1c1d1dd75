"""Warm-up requests: what TensorFlow Serving sends itself when it loads an export, so that no client waits for it."""

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
        ExportError: the file is damaged, or holds other than predict requests.
    """
    path = directory / WARMUP_FILE
    if not path.exists():
        return []
    try:
        records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        if sum(len(record) + RECORD_OVERHEAD for record in records) != path.stat().st_size:
            raise ValueError("its end is cut off")  # TensorFlow passes over a last record of a few bytes
        return [_request(record) for record in records]
    except (OSError, tf.errors.OpError, DecodeError, ValueError, TypeError) as error:
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


def _request(record: bytes) -> tuple[str, dict[str, np.ndarray]]:
    log = prediction_log_pb2.PredictionLog.FromString(record)
    kind = log.WhichOneof("log_type")
    if kind != "predict_log":
        raise ValueError(f"a record holds {f'a {kind}' if kind else 'nothing'}, which can't be sent again")
    request = log.predict_log.request
    batch = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
    return request.model_spec.signature_name or "serving_default", batch
