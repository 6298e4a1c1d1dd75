"""Answers requests as a Python program would that has TensorFlow, but neither Keras nor tfpt."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

_spec = importlib.util.spec_from_file_location("job", Path(__file__).with_name("job.py"))
assert _spec is not None and _spec.loader is not None
_job = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_job)

ABSENT = ("keras", "tf_keras", "tfpt")
"""What an export may not need: an import of it fails. ``import tensorflow`` alone would import Keras."""


def open_model(job: dict[str, Any]) -> Any:
    _check_absent()
    for name in ABSENT:
        sys.modules[name] = None  # type: ignore[assignment]
    import tensorflow as tf

    for library in job["op_libraries"]:
        # Not by importing their package: tensorflow-text's imports Keras.
        tf.load_op_library(library)
    loaded = tf.saved_model.load(job["directory"], tags=["serve"])
    signature = loaded.signatures[job["signature"]]
    types = {name: tf.as_dtype(tensor["type"]) for name, tensor in job["inputs"].items()}

    def call(batch: dict[str, Any], loaded: Any = loaded) -> dict[str, Any]:  # a signature doesn't keep tables alive
        answers = signature(**{name: tf.constant(values, types[name]) for name, values in batch.items()})
        return {name: _array(value.numpy()) for name, value in answers.items()}

    _check_absent()
    return call


def _check_absent() -> None:
    present = [name for name in ABSENT if sys.modules.get(name) is not None]
    if present:
        raise RuntimeError(f"{' and '.join(present)} got imported, which an export must do without")


def _array(value: Any) -> Any:
    """A scalar text's ``numpy()`` is bytes."""
    import numpy as np

    return np.array(value, object) if isinstance(value, bytes) else value


if __name__ == "__main__":
    _job.run_job(open_model)
