"""The few real requests that an export carries: servers warm up with them, and a copy of it is checked on them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.config.export import SERVING
from tfpt.errors import ExportError
from tfpt.export.warmup import read_warmup
from tfpt.task import Requests, ServedModel
from tfpt.workflows.export_checks import Examples, request_bytes
from tfpt.workflows.finished_run import FinishedRun

WARMUP_EXAMPLES = 8
WARMUP_BYTES = 16 * 10 ** 6
EXPECTED_FILE = Path("assets.extra", "expected_answers.json")


def warmup_count(examples: Examples) -> int:
    """How many examples the warm-up requests hold: a few, fewer of large ones."""
    sizes = [request_bytes(examples.requests.inputs(place, place + 1))
             for place in range(min(WARMUP_EXAMPLES, len(examples.names)))]
    return max(1, int(np.sum(np.cumsum(sizes) <= WARMUP_BYTES)))


def warmup_records(opened: FinishedRun, served: ServedModel,
                   examples: Examples) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(signature, batch) pairs: for ``serving_default`` a single example, then several; for each other one a single.

    A signature that takes none of the requests' inputs gets what the network itself would.
    """
    yield SERVING, examples.requests.inputs(0, 1)
    yield SERVING, examples.requests.inputs(0, warmup_count(examples))
    network = next(iter(opened.task.network_inputs(opened.config, examples.source)))
    for name, signature in served.signatures.items():
        known = {**network, **examples.requests.inputs(0, 1)}
        if name != SERVING and signature.inputs.keys() <= known.keys():
            yield name, {key: known[key] if info.dtype == "bytes" else np.asarray(known[key][:1], info.dtype)
                         for key, info in signature.inputs.items()}


def write_expected_answers(directory: Path, examples: Examples) -> None:
    """Beside the warm-up requests, what the trained model answers to the several of ``serving_default``."""
    count = warmup_count(examples)
    answers = {name: np.asarray(values)[:count].tolist() for name, values in examples.expected.items()}
    record = {"signature": SERVING, "class_names": list(examples.class_names), "outputs": answers}
    (directory / EXPECTED_FILE).write_text(json.dumps(record) + "\n", encoding="utf-8")


def largest_request(directory: Path) -> Mapping[str, Any]:
    """The warm-up request of ``serving_default`` with the most examples; empty if there is none."""
    batches = [batch for name, batch in read_warmup(directory) if name == SERVING]
    return max(batches, key=_rows) if batches else {}


def carried_examples(directory: Path) -> Examples | None:
    """What an export can be checked on without its run, or None if it carries nothing.

    Raises:
        ExportError: requests or answers are damaged, or don't belong together.
    """
    path = directory / EXPECTED_FILE
    batch = largest_request(directory)
    if not batch or not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        expected = {str(name): np.asarray(values, np.float32) for name, values in record["outputs"].items()}
        class_names = tuple(map(str, record["class_names"]))
        fits = expected["probabilities"].shape == (_rows(batch), len(class_names))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ExportError(f"Expected the answers to the warm-up requests in {path}, but they can't be read "
                          f"({type(error).__name__}: {error}). Export the run again.") from error
    if not fits:
        raise ExportError(f"Expected {path} to hold an answer to each of {_rows(batch)} warm-up requests, but it does "
                          f"not. Export the run again.")
    names = tuple(f"warm-up request {number}" for number in range(1, _rows(batch) + 1))
    return Examples(names, Requests(lambda first, stop: {key: values[first:stop] for key, values in batch.items()}, 0),
                    expected, class_names, "the answers that it carries")


def _rows(batch: Mapping[str, Any]) -> int:
    return min(len(values) for values in batch.values())
