"""The formats that an export can have: how each is written, and held against the trained numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.config.export import FORMATS, QUANTIZATIONS
from tfpt.errors import CheckFailed, UsageError
from tfpt.export.litert_format import write_litert
from tfpt.export.onnx_format import write_onnx
from tfpt.export.parity import Parity
from tfpt.export.runtimes import ask_litert, ask_onnx
from tfpt.task import ServedModel
from tfpt.workflows.export_checks import Examples
from tfpt.workflows.finished_data import at_most, own_splits
from tfpt.workflows.finished_run import FinishedRun

CALIBRATION_EXAMPLES = 256
FLOAT16_TOLERANCE = 1e-2
ANOTHER_FORMAT = "The converter or the runtime computes something else: leave --format out, and please report it."
FINER_NUMBERS = "The model needs finer numbers: leave --quantize out, or choose another."
INT8_ACCURACY_DROP = 0.05
"""More than 8 bits usually cost; what falls by more has gone wrong."""


@dataclass(frozen=True)
class NetworkFormat:
    """A file that holds the network alone. ``runtime`` is what it is made for; ``tolerances`` are ``compare``'s."""

    folder: str
    file: str
    runtime: str
    write: Callable[[FinishedRun, ServedModel, Path], None]
    ask: Callable[[Path, Any], Mapping[str, Any]]
    tolerances: Mapping[str, float]
    advice: str  # if the numbers differ by more
    accuracy_drop: float | None = None

    def check(self, path: Path, opened: FinishedRun,
              examples: Examples) -> tuple[dict[str, Parity], dict[str, float]]:
        """The parity by runtime, and where numbers are coarser and labels known, the accuracy before and after.

        Raises:
            CheckFailed: the file can't be run, or accuracy falls by more than ``accuracy_drop``.
        """
        answers = self.ask(path, opened.task.network_inputs(opened.config, examples.source))
        parity = examples.compare(answers, **self.tolerances)
        labels = np.asarray(examples.source.labels)
        if not self.tolerances or not len(labels) or parity.problem:
            return {self.runtime: parity}, {}
        accuracy = {name: float((np.asarray(values["probabilities"]).argmax(axis=1) == labels).mean())
                    for name, values in (("float32", examples.expected), (self.folder, answers))}
        drop = accuracy["float32"] - accuracy[self.folder]
        # One example more: of 18, a single one is 0.056.
        if self.accuracy_drop is not None and drop > self.accuracy_drop + 1 / len(labels):
            raise CheckFailed(f"Expected {self.folder} to cost at most {self.accuracy_drop:g} of accuracy, but on "
                              f"{len(labels):,} test examples it falls from {accuracy['float32']:.3f} to "
                              f"{accuracy[self.folder]:.3f}. Nothing was published. Use --quantize float16.")
        return {self.runtime: parity}, accuracy


def network_format(model_format: str, quantize: str) -> NetworkFormat:
    """ONNX, or LiteRT with its kind of numbers."""
    if model_format == "onnx":
        return NetworkFormat("onnx", "model.onnx", "ONNX Runtime",
                             lambda opened, served, path: write_onnx(served.network, path), ask_onnx, {},
                             ANOTHER_FORMAT)
    tolerances = {"none": {}, "float16": {"probability_tolerance": FLOAT16_TOLERANCE,
                                          "label_margin": 2 * FLOAT16_TOLERANCE},
                  # Of 8-bit numbers accuracy is the measure: a probability may be anything.
                  "int8": {"probability_tolerance": 1.0, "label_margin": 1.0}}
    return NetworkFormat("litert" if quantize == "none" else f"litert-{quantize}", "model.tflite", "LiteRT",
                         lambda opened, served, path: _write_litert(opened, served, path, quantize), ask_litert,
                         tolerances[quantize], ANOTHER_FORMAT if quantize == "none" else FINER_NUMBERS,
                         INT8_ACCURACY_DROP if quantize == "int8" else None)


def check_options(model_format: str, quantize: str) -> None:
    """UsageError if there is no such format, or it can't be quantized so."""
    for name, value, known in (("format", model_format, FORMATS), ("quantize", quantize, QUANTIZATIONS)):
        if value not in known:
            raise UsageError(f"--{name} is {value!r}, but it takes {', '.join(known)}.")
    if quantize != "none" and model_format != "litert":
        raise UsageError(f"--quantize {quantize} is for --format litert; found --format {model_format}. Leave "
                         f"--quantize out, or choose --format litert.")


def _write_litert(opened: FinishedRun, served: ServedModel, path: Path, quantize: str) -> None:
    calibration = None
    if quantize == "int8":
        training = at_most(own_splits(opened).train, CALIBRATION_EXAMPLES)
        calibration = opened.task.network_inputs(opened.config, training)
    write_litert(served.network, path, quantize, calibration)  # type: ignore[arg-type]
