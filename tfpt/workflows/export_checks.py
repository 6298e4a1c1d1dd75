"""What an export must give: the trained numbers, asked for where neither Keras nor tfpt is."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpt import runtime
from tfpt.config.export import SERVING
from tfpt.errors import CheckFailed, ExportError, Interrupted
from tfpt.export.ask import ask_cpp, ask_python, cpp_loader_available
from tfpt.export.exchange import write_batches
from tfpt.export.parity import Parity, compare
from tfpt.task import Requests
from tfpt.workflows.finished_data import at_most, measured_examples
from tfpt.workflows.finished_run import FinishedRun

MOST_EXAMPLES = 1000
BATCH_SIZE = 32
BATCH_BYTES = 64 * 10 ** 6
"""32 large photos, as PNG some of them, would be gigabytes."""


@dataclass(frozen=True)
class Examples:
    """What an export is checked on: what clients would send, and what they must be answered.

    ``expected`` are float32 arrays by output name, of a forward pass of the trained model; ``origin`` says
    of what. ``source`` is None where only the requests are left, those that the export itself holds.
    """

    names: tuple[str, ...]
    requests: Requests
    expected: Mapping[str, Any]
    class_names: tuple[str, ...]
    origin: str
    source: Any = None

    def batches(self) -> Iterator[Mapping[str, Any]]:
        """Requests for all examples, in order, of at most ``BATCH_SIZE`` examples and about ``BATCH_BYTES`` each."""
        rows: list[Mapping[str, Any]] = []
        for place in range(len(self.names)):
            rows.append(self.requests.inputs(place, place + 1))
            if len(rows) == BATCH_SIZE or sum(map(request_bytes, rows)) >= BATCH_BYTES:
                yield _joined(rows)
                rows = []
        if rows:
            yield _joined(rows)

    def compare(self, answers: Mapping[str, Any], **tolerances: float) -> Parity:
        """The answers for all examples against what was expected."""
        return compare(self.expected, answers, self.class_names, self.names, **tolerances)


def request_bytes(request: Mapping[str, Any]) -> int:
    """How large a request's inputs are."""
    return sum(sum(map(len, values)) if isinstance(values, list) else values.nbytes for values in request.values())


def _joined(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: [value for row in rows for value in row[name]] if isinstance(rows[0][name], list)
            else np.concatenate([row[name] for row in rows]) for name in rows[0]}


def examples_of(opened: FinishedRun, data: str | None) -> Examples:
    """Up to ``MOST_EXAMPLES`` of the run's test split, or of ``data``.

    Raises:
        DataError: as ``evaluate`` does.
        CheckFailed: the trained model itself gives what is not a number.
    """
    source = at_most(measured_examples(opened, data)[0], MOST_EXAMPLES)
    expected = opened.task.expected(opened.config, opened.model, source)
    for name, values in expected.items():
        if not np.isfinite(values).all():
            raise CheckFailed(f"The {name} that the trained model of {opened.run.path} gives aren't finite: its "
                              f"weights are damaged, or its training diverged. Train it again with a lower "
                              f"--learning-rate.")
    return Examples(tuple(source.names), opened.task.requests(opened.config, source), expected,
                    tuple(opened.metadata["class_names"]), str(opened.run.path), source)


def refuse_another_model(opened: FinishedRun, examples: Examples) -> None:
    """CheckFailed if the model isn't as accurate on the run's test split as run.json says: the card would be untrue."""
    recorded = ((opened.record.get("metrics") or {}).get("test") or {}).get("accuracy")
    labels, size = np.asarray(examples.source.labels), (opened.record.get("data") or {}).get("test")
    if not isinstance(recorded, float) or size != len(labels) or "probabilities" not in examples.expected:
        return
    found = float((np.asarray(examples.expected["probabilities"]).argmax(axis=1) == labels).mean())
    if abs(found - recorded) > 1.5 / len(labels):  # another machine may decide a tie otherwise
        raise CheckFailed(f"{opened.run.model_file} is not the model that was tested: its accuracy on the run's "
                          f"{len(labels):,} test examples is {found:.3f}, but {opened.run.manifest_file.name} says "
                          f"{recorded:.3f}. Bring the model back, or train again.")


def parity_record(parity: Parity) -> dict[str, Any]:
    """A comparison as JSON has it; ``report`` is its line for people."""
    return {**asdict(parity), "report": parity.report()}


@contextlib.contextmanager
def stopped_at_once() -> Iterator[None]:
    """SIGINT and SIGTERM end the block by Interrupted, so that nothing is left: no process, no copy of images."""
    with runtime.StopSignals() as signals:
        signals.at_once = True
        try:
            yield
        except Exception as error:
            # Where a library's every error is caught, as when Keras opens a file, the signal's would be told as its.
            if signals.received is None or isinstance(error, Interrupted):
                raise
            raise Interrupted(f"Stopped by signal {signals.received}.", 128 + signals.received) from error


def loaders() -> dict[str, Callable[..., Mapping[str, Any]]]:
    """By what the user calls it: a fresh process with ``tf.saved_model.load``; the C++ loader, where there is one."""
    return {"fresh process": ask_python, **({"C++ loader": ask_cpp} if cpp_loader_available() else {})}


def check_saved_model(directory: Path, examples: Examples, text_ops: bool = False) -> dict[str, Parity]:
    """What each loader's answers are worth.

    Raises:
        ExportError, CheckFailed: it can't be loaded or asked.
    """
    with tempfile.TemporaryDirectory(prefix="tfpt-requests-") as scratch:
        requests = Path(scratch) / "requests"
        try:
            write_batches(requests, examples.batches())
        except OSError as error:
            raise ExportError(f"Expected room for the requests that check the export in {scratch}, but: "
                              f"{error.strerror or error}. Name another place by the variable TMPDIR.") from error
        return {name: examples.compare(ask(directory, SERVING, requests, text_ops=text_ops))
                for name, ask in loaders().items()}
