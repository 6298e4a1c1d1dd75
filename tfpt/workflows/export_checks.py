"""What an export must give: the trained numbers, asked for where neither Keras nor tfpt is."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpt.errors import ExportError
from tfpt.export.ask import ask_cpp, ask_python, cpp_loader_available
from tfpt.export.exchange import write_batches
from tfpt.export.parity import Parity, compare
from tfpt.task import Requests
from tfpt.workflows.finished_data import at_most, measured_examples
from tfpt.workflows.finished_run import FinishedRun

MOST_EXAMPLES = 1000
BATCH_SIZE = 32
SERVING = "serving_default"


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
        """Requests for all examples, in order."""
        for first in range(0, len(self.names), BATCH_SIZE):
            yield self.requests.inputs(first, min(first + BATCH_SIZE, len(self.names)))

    def compare(self, answers: Mapping[str, Any], **tolerances: float) -> Parity:
        """The answers for all examples against what was expected."""
        return compare(self.expected, answers, self.class_names, self.names, **tolerances)


def examples_of(opened: FinishedRun, data: str | None) -> Examples:
    """Up to ``MOST_EXAMPLES`` of the run's test split, or of ``data``. Raises DataError, as ``evaluate`` does."""
    source = at_most(measured_examples(opened, data)[0], MOST_EXAMPLES)
    return Examples(tuple(source.names), opened.task.requests(opened.config, source),
                    opened.task.expected(opened.config, opened.model, source), tuple(opened.metadata["class_names"]),
                    str(opened.run.path), source)


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
