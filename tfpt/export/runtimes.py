"""Asks an exported network in the runtime that its format is made for."""

import contextlib
import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from tfpt.config.export import SERVING
from tfpt.errors import CheckFailed, ExportError
from tfpt.export.chatter import chatter_shown_on_failure

Batches = Iterable[Mapping[str, np.ndarray]]
Answers = dict[str, np.ndarray]

PACKAGES = {"onnx": {"onnx": "onnx", "onnxruntime": "onnxruntime", "tf2onnx": "tf2onnx"},
            "litert": {"ai_edge_litert": "ai-edge-litert"}}
"""By format: the modules that it needs, and the package that each is in."""


def require(format_name: str) -> None:
    """ExportError if a package is missing that writing or checking this format needs. Imports none of them."""
    missing = [package for module, package in PACKAGES.get(format_name, {}).items()
               if importlib.util.find_spec(module) is None]
    if missing:
        raise ExportError(f"--format {format_name} needs {', '.join(missing)}, which this installation of tfpt doesn't "
                          f"have. Install it with: pip install 'tfpt[{format_name}]'")


def ask_onnx(path: Path, batches: Batches) -> Answers:
    """All outputs by name of an ONNX file, from ONNX Runtime on the processor, for one batch of inputs or more.

    Raises:
        CheckFailed: ONNX Runtime can't open or run the file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _cores()
    options.log_severity_level = 4  # what it would log of a failure is in the exception too
    with _reported("ONNX Runtime", path):
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def ask(batch: Mapping[str, np.ndarray]) -> Answers:
        with _reported("ONNX Runtime", path):
            return dict(zip(names, session.run(names, dict(batch)), strict=True))

    return _joined([ask(batch) for batch in batches])


def ask_litert(path: Path, batches: Batches) -> Answers:
    """All outputs by name of a LiteRT file's ``serving_default``, from LiteRT, for one batch of inputs or more.

    Raises:
        CheckFailed: LiteRT can't open or run the file, or it has no such signature.
    """
    from ai_edge_litert.interpreter import Interpreter

    with _reported("LiteRT", path):
        run = Interpreter(model_path=str(path), num_threads=_cores()).get_signature_runner(SERVING)

    def ask(batch: Mapping[str, np.ndarray]) -> Answers:
        with _reported("LiteRT", path):
            return dict(run(**batch))

    return _joined([ask(batch) for batch in batches])


def _joined(answers: list[Answers]) -> Answers:
    return {name: np.concatenate([batch[name] for batch in answers]) for name in answers[0]}


@contextlib.contextmanager
def _reported(runtime: str, path: Path) -> Iterator[None]:
    with chatter_shown_on_failure():
        try:
            yield
        except Exception as error:  # runtimes raise types of their own, and nearly every other
            raise CheckFailed(f"Expected a file that {runtime} can run, but {path} is none: "
                              f"{' '.join(str(error).split())} Export the run again; if that doesn't help, leave "
                              f"--format out: a SavedModel holds every model.") from error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
