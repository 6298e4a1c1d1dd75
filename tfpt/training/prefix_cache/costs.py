"""How long it takes to reach each cut from an input: measured where there is something to weigh."""

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfpt import runtime
from tfpt.atomic_files import atomic_write_text
from tfpt.data.notes import notes_folder
from tfpt.errors import TfptError
from tfpt.training.graph_runner import graph_runner
from tfpt.training.graph_split import Cut, graph_nodes
from tfpt.training.prefix_cache.signature import graph_signature

SAMPLE_SIZE = 16
_REPEATS = 2
_MACS_PER_SECOND = 3e10


def multiply_accumulates(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Of one example, from ``inputs`` to ``outputs``: every kernel once at each position that its layer puts out."""
    total = 0
    for node in graph_nodes(inputs, outputs):
        positions = math.prod(side or 1 for side in node.outputs[0].shape[1:-1])
        kernels = (weight for weight in getattr(node.operation, "weights", []) if len(weight.shape) >= 2)
        total += positions * sum(math.prod(kernel.shape) for kernel in kernels)
    return total


def estimated_seconds(model: keras.Model, stops: Sequence[Cut]) -> list[float]:
    """From the input to each of ``stops``, and to the outputs, by multiply-accumulates: for where nothing hangs on it.
    """
    return [multiply_accumulates(model.inputs, tensors) / _MACS_PER_SECOND
            for tensors in [*(stop.tensors for stop in stops), model.outputs]]


def measured_seconds(model: keras.Model, stops: Sequence[Cut], sample: Callable[[], Any], fold: bool) -> list[float]:
    """The same, per example, on this machine and on ``sample()``, a batch of ``SAMPLE_SIZE`` inputs.

    Measured once for a model on a machine and kept beside the cache, so that equal runs make equal plans.
    """
    tensors = [*(stop.tensors for stop in stops), tuple(model.outputs)]
    signature = graph_signature(model.inputs, [tensor for group in tensors for tensor in group], weights=False)
    file = notes_folder("prefix_costs") / f"{signature[:32]}.json"
    conditions = {**runtime.environment(), "cpu": runtime.cpu_features(), "fold": fold}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["conditions"] == conditions and len(kept["seconds"]) == len(tensors):
            found = [float(seconds) for seconds in kept["seconds"]]
            if all(math.isfinite(seconds) and seconds >= 0 for seconds in found):
                return found
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # never measured, damaged, or measured under other conditions
    seconds = _measure(model, tensors, sample(), fold)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(file, json.dumps({"conditions": conditions, "seconds": seconds}))
    except (OSError, TfptError):
        pass  # a cache that can't be written is told where rows are to be kept; the plan needs none
    return seconds


def _measure(model: keras.Model, groups: Sequence[Sequence[Any]], sample: Any, fold: bool) -> list[float]:
    """Piece by piece: what comes out of one is put into the next."""
    given, values, so_far, seconds = list(model.inputs), [sample], 0.0, []
    for group in groups:
        try:
            piece = _function(given, group, fold)
        except ValueError:  # a branch of its own: from the inputs again
            given, values, so_far = list(model.inputs), [sample], 0.0
            piece = _function(given, group, fold)
        values_after = piece(*values)
        so_far += min(_seconds_of(piece, values) for _ in range(_REPEATS)) / len(sample)
        given, values = list(group), values_after
        seconds.append(so_far)
    return seconds


def _function(inputs: Sequence[Any], outputs: Sequence[Any], fold: bool) -> Any:
    return tf.function(graph_runner(inputs, outputs, fold=fold), autograph=False)


def _seconds_of(function: Any, values: Sequence[Any]) -> float:
    began = time.perf_counter()
    for result in function(*values):
        result.numpy()  # waits for it
    return time.perf_counter() - began
