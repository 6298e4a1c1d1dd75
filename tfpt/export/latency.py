"""How long an export's answers take, by the size of a batch."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.config.export import SERVING
from tfpt.export.ask import CPP_LOADER, PYTHON_LOADER, Timing, cpp_loader_available, time_calls

MOST_EXAMPLES = 64
"""More don't make the figures better, and all of them are in memory."""


@dataclass(frozen=True)
class Latency:
    """What ``calls`` calls of a batch size took, one after the other, on this machine; of the slowest in a hundred,
    twenty calls tell little.
    """

    batch_size: int
    calls: int
    p50_ms: float
    p99_ms: float
    examples_per_second: float
    loader: str  # what was called: cpp or python


def measure_latency(directory: Path, requests: Mapping[str, Any], batch_sizes: Sequence[int] = (1, 8, 32), *,
                    signature: str = SERVING, timing: Timing = Timing(),
                    text_ops: bool = False) -> list[Latency]:
    """Call a signature of a SavedModel with real examples, through the C++ session if there is one here.

    A call is what a server does of it: from arrays to tensors, the model, and back to arrays.

    Args:
        directory: holds saved_model.pb.
        requests: a batch of examples by input name; ``MOST_EXAMPLES`` of them are sent in turn.
        timing: for each batch size.

    Raises:
        ValueError: there are no examples.
        ExportError, CheckFailed: as ``ask.ask_python``.
    """
    examples = min((len(values) for values in requests.values()), default=0)
    if not examples:
        raise ValueError("no examples to measure with")
    groups = [list(_batches(requests, min(examples, MOST_EXAMPLES), size)) for size in batch_sizes]
    loader = CPP_LOADER if cpp_loader_available() else PYTHON_LOADER
    timed = time_calls(directory, signature, groups, timing, loader=loader, text_ops=text_ops)
    return [_latency(size, seconds, loader.key) for size, seconds in zip(batch_sizes, timed)]


def nearest_rank(values: np.ndarray, percent: float) -> float:
    """The smallest of ``values`` that at least ``percent`` in a hundred of them don't exceed."""
    return float(np.sort(values)[max(math.ceil(percent / 100 * len(values)), 1) - 1])


def _batches(requests: Mapping[str, Any], examples: int, size: int) -> Iterator[dict[str, Any]]:
    """Batches of ``size`` that hold every example, going round."""
    for first in range(0, examples, size):
        places = [place % examples for place in range(first, first + size)]
        yield {name: [values[place] for place in places] if isinstance(values, list) else np.asarray(values)[places]
               for name, values in requests.items()}


def _latency(batch_size: int, seconds: np.ndarray, loader: str) -> Latency:
    return Latency(batch_size, len(seconds), nearest_rank(seconds, 50) * 1000, nearest_rank(seconds, 99) * 1000,
                   batch_size * len(seconds) / float(seconds.sum()), loader)
