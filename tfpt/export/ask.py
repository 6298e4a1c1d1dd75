"""Putting requests to an export in a process of its own, and bringing back its answers."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.errors import CheckFailed, ExportError
from tfpt.export import exchange, loaders
from tfpt.export.saved_model_file import signature_tensors

Batch = Mapping[str, Any]

STALL_SECONDS = 900
"""How long a process may go without finishing a batch, loading included: a large model on a slow machine needs some."""
LIBRARIES = ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")
MOST_CHARACTERS = 400
_NO_REASON = re.compile(r"Graph execution error|Detected at node|<stack traces|\d+ root error")


@dataclass(frozen=True)
class Loader:
    """A script in tfpt/export/loaders, and how messages speak of where it runs."""

    key: str
    script: Path
    name: str


_FOLDER = Path(loaders.__file__).parent
PYTHON_LOADER = Loader("python", _FOLDER / "python_loader.py", "a fresh Python process without Keras")
CPP_LOADER = Loader("cpp", _FOLDER / "cpp_loader.py", "TensorFlow's C++ loader")


@dataclass(frozen=True)
class Timing:
    """How calls are timed: until ``seconds`` have passed, but ``least_calls`` if they fit ``limit_seconds``."""

    seconds: float = 3.0
    limit_seconds: float = 30.0
    least_calls: int = 20
    most_calls: int = 300
    untimed_calls: int = 3  # before, within ``seconds``


def ask_python(directory: Path, signature: str, batches: Iterable[Batch] | Path, *,
               text_ops: bool = False) -> dict[str, np.ndarray]:
    """What a signature of a SavedModel answers in a Python process that can import neither Keras nor tfpt.

    Args:
        directory: holds saved_model.pb.
        signature: such as ``serving_default``.
        batches: by input name a list of bytes or an array, of the very dtype; or a file of ``exchange.write_batches``.
        text_ops: whether the ops of tensorflow-text are registered first.

    Returns:
        By output name the rows of all batches, one after the other; texts as arrays of bytes objects. Empty without
        batches, though the model was loaded.

    Raises:
        ExportError: no SavedModel, no such signature, no tensorflow-text, or no room for the requests.
        CheckFailed: it can't be loaded, a call fails, or the process dies or hangs.
    """
    return _joined(_ask(PYTHON_LOADER, directory, signature, batches, text_ops, None))


def ask_cpp(directory: Path, signature: str, batches: Iterable[Batch] | Path, *,
            text_ops: bool = False) -> dict[str, np.ndarray]:
    """As ``ask_python``, by the C++ loader that TensorFlow Serving has too. Needs ``cpp_loader_available()``."""
    return _joined(_ask(CPP_LOADER, directory, signature, batches, text_ops, None))


def time_calls(directory: Path, signature: str, groups: Sequence[Sequence[Batch]], timing: Timing, *,
               loader: Loader, text_ops: bool = False) -> list[np.ndarray]:
    """The seconds of each call, float64 ``[calls]``, for each group of batches, which are sent in turn.

    Raises: as ``ask_python``.
    """
    batches = (batch for group in groups for batch in group)
    spec = {**asdict(timing), "groups": [len(group) for group in groups]}
    return [answer["seconds"] for answer in _ask(loader, directory, signature, batches, text_ops, spec)]


def cpp_loader_available() -> bool:
    """Whether this is Linux, with a TensorFlow that brings its C API in shared libraries of its own."""
    return sys.platform == "linux" and all(path.is_file() for path in _library_paths())


def text_op_libraries() -> list[str]:
    """The shared libraries that register tensorflow-text's ops. ExportError: it isn't installed."""
    found = importlib.util.find_spec("tensorflow_text")
    places = list(found.submodule_search_locations or ()) if found else []
    libraries = sorted(str(path) for place in places for folder in ("ops", "metrics")
                       for path in Path(place, "python", folder).glob("*.so"))
    if not libraries:
        raise ExportError("The model has ops of tensorflow-text, without which it can't be loaded, but it isn't "
                          "installed here. Install the tensorflow-text of TensorFlow's version.")
    return libraries


def telling_line(text: str) -> str:
    """What matters in TensorFlow's many lines about an error: one line, shortened."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = next((line for line in lines if not _NO_REASON.match(line)), "no reason given")
    line = re.sub(r"^\(\d+\) |^\{\{.*?\}\} | \[Op:\w+\].*$", "", first)
    line = re.sub(r" in binary running on \S+\..*", "", line)  # "Op type not registered", and advice of no use here
    return line.rstrip(". ") if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]}…"


def _ask(loader: Loader, directory: Path, signature: str, batches: Iterable[Batch] | Path, text_ops: bool,
         timing: Mapping[str, Any] | None) -> Iterator[dict[str, np.ndarray]]:
    tensors = signature_tensors(directory, signature)
    job = {"directory": str(directory.resolve()), "signature": signature, "timing": timing, **asdict(tensors),
           "libraries": [str(path) for path in _library_paths()],
           "op_libraries": text_op_libraries() if text_ops else []}
    try:
        with tempfile.TemporaryDirectory(prefix="tfpt-export-") as name:
            folder = Path(name)
            requests = batches if isinstance(batches, Path) else folder / "requests"
            if not isinstance(batches, Path):
                exchange.write_batches(requests, batches)
            (folder / "job.json").write_text(json.dumps({**job, "requests": str(requests.resolve())}), encoding="utf-8")
            run_loader(loader, folder, directory, signature)
            yield from exchange.read_batches(folder / "answers")
    except OSError as error:
        raise ExportError(f"Checking {directory} takes room in the temporary directory, for requests and answers, but: "
                          f"{error}. Make room, or name another place with the environment variable TMPDIR.") from error


def run_loader(loader: Loader, folder: Path, directory: Path, signature: str) -> None:
    """Do the job in ``folder``, described in loaders/job.py. It ends with this process, however that ends.

    Raises:
        CheckFailed: the job failed, or its process died or hung.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    with open(folder / "output", "wb") as output:
        # -P: neither the script's folder nor the working directory is looked in for modules. A session of its own:
        # Ctrl-C stops this process, which then ends the other.
        process = subprocess.Popen([sys.executable, "-P", str(loader.script), str(folder)], stdin=subprocess.PIPE,
                                   stdout=output, stderr=output, env=environment, start_new_session=True)
        try:
            code = _wait(process, folder / "answers", f"{directory} in {loader.name}")
        finally:
            process.kill()
            process.communicate()
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        report = None
    if code != 0 or report is None:
        raise CheckFailed(_death(code, folder / "output", f"{directory} in {loader.name}"))
    if report["error"] is not None:
        reason = telling_line(report["error"])
        if report["stage"] == "load":
            raise CheckFailed(f"Expected {directory} to load in {loader.name}, but: {reason}. A server would fail "
                              "alike: don't put it in use.")
        number = "" if report["batch"] is None else f", with batch {report['batch'] + 1},"
        raise CheckFailed(f"{directory} loads in {loader.name}, but a call of its signature {signature}{number} fails: "
                          f"{reason}. If that is not for what was sent, don't put the export in use.")


def _wait(process: subprocess.Popen[bytes], answers: Path, what: str) -> int:
    """The exit code. Only a process that doesn't get on is given up."""
    written = 0
    while True:
        try:
            return process.wait(STALL_SECONDS)
        except subprocess.TimeoutExpired:
            size = answers.stat().st_size if answers.exists() else 0
            if size <= written:
                raise CheckFailed(f"Expected answers of {what}, but none came within {STALL_SECONDS} seconds, and the "
                                  "process was ended. Try fewer or smaller requests, or a faster machine.") from None
            written = size


def _death(code: int, output: Path, what: str) -> str:
    lines = [line for line in output.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    fatal = [line.partition("] ")[2] for line in lines if re.match(r"F\d{4} .*\] ", line)]
    said = telling_line((fatal or lines or [""])[-1])
    if code >= 0:
        return f"The process that ran {what} ended with exit code {code} and no answer: {said}."
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    usual = " Most often that is the system's, for want of memory: make room." if -code == signal.SIGKILL else ""
    return f"The process that ran {what} was ended by {name}: {said}.{usual}"


def _joined(answers: Iterator[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    collected: dict[str, list[np.ndarray]] = {}
    for batch in answers:
        for name, values in batch.items():
            collected.setdefault(name, []).append(np.atleast_1d(values))
    try:
        return {name: np.concatenate(parts) for name, parts in collected.items()}
    except ValueError as error:
        raise CheckFailed("Expected each output's rows to have one shape in all batches, but found "
                          f"{ {name: sorted({part.shape[1:] for part in parts}) for name, parts in collected.items()} }"
                          ". Ask for one batch at a time.") from error


def _library_paths() -> list[Path]:
    found = importlib.util.find_spec("tensorflow")
    places = list(found.submodule_search_locations or ()) if found else []
    return [Path(places[0] if places else "", name) for name in LIBRARIES]
