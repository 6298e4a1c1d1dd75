"""What ``--weights`` names: a keyword, a run, or a file. Imports no TensorFlow."""

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tfpt.atomic_files import read_own_text
from tfpt.errors import ConfigError, RunError, WeightsError
from tfpt.models.bundled import bundled_description
from tfpt.run_directory import find_run, list_runs

KEYWORDS = ("imagenet", "bundled", "none")
KERAS, WEIGHTS_H5 = ".keras", ".weights.h5"
TAKES = ("--weights takes imagenet, bundled, none, a run (its name or folder), a .keras file, or a .weights.h5 file "
         "of the backbone")
UNSAFE = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".npy", ".npz", ".ckpt")

DESCRIBED: Mapping[str, tuple[Any, float]] = {
    "backbone": (str, math.inf), "alpha": ((int, float), 10), "image_size": (int, 4096)}
"""What of a backbone.json settings are taken from, its types, and the most that these settings take."""


@dataclass(frozen=True)
class WeightSource:
    """Where weights come from. ``description`` is the backbone.json that came with them, empty if none did."""

    kind: Literal["imagenet", "bundled", "none", "keras_file", "weights_file"]
    file: Path | None = None
    description: Mapping[str, Any] = field(default_factory=dict)


def find_weights(weights: str) -> WeightSource:
    """Look up what ``--weights`` names, without opening the weights themselves.

    Raises ConfigError if it names nothing that exists, WeightsError for a format that isn't taken, or a run without
    a backbone.
    """
    match weights:
        case "imagenet" | "none":
            return WeightSource(weights)
        case "bundled":
            return WeightSource("bundled", description=bundled_description())
    path = Path(weights).expanduser()
    if weights.endswith((KERAS, WEIGHTS_H5)):
        return _file(path, weights)
    _refuse_other_formats(path)
    return _run(weights)


def _file(path: Path, weights: str) -> WeightSource:
    if not path.is_file():
        raise ConfigError(f"model.weights is {weights}, but there is no such file. {TAKES}.{_near_files(path)}")
    beside = path.with_name("backbone.json")
    kind: Literal["keras_file", "weights_file"] = "keras_file" if weights.endswith(KERAS) else "weights_file"
    return WeightSource(kind, path, _read(beside) if beside.is_file() else {})


def _refuse_other_formats(path: Path) -> None:
    if (path / "saved_model.pb").exists():
        kind = "a SavedModel folder"
    elif path.suffix in (".h5", ".hdf5") and path.is_file():
        kind = "a legacy .h5 file"
    elif path.suffix.lower() in UNSAFE and path.is_file():
        kind = f"a {path.suffix} file"
    elif path.is_file():
        kind = "a file of no known format"
    else:
        return
    raise WeightsError(f"{path} is {kind}, which tfpt doesn't take: such files can run code when they are opened, or "
                       "don't say which weight is which. In Keras 3, save the backbone with model.save('name.keras') "
                       f"or backbone.save_weights('name.weights.h5'). {TAKES}.")


def _run(weights: str) -> WeightSource:
    try:
        run = find_run(weights)
    except RunError as error:
        near = difflib.get_close_matches(weights, [*KEYWORDS, *(run.name for run in list_runs())], n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(f"model.weights is {weights!r}, which names nothing here. {TAKES}.{hint}") from error
    if not run.backbone_file.is_file() or not run.backbone_description_file.is_file():
        raise WeightsError(f"The run {run.path} has no backbone.keras with backbone.json: it isn't finished. Finish it "
                           f"with tfpt finetune-image --resume --run-dir {run.path}, or give other weights.")
    return WeightSource("keras_file", run.backbone_file, _read(run.backbone_description_file))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        description = json.loads(read_own_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path} should describe the backbone beside it, but can't be read: {error}.") from error
    if not isinstance(description, dict):
        raise WeightsError(f"{path} should hold a JSON object that describes the backbone beside it, but doesn't.")
    for name, (kinds, most) in DESCRIBED.items():
        value = description.get(name)
        if value is not None and not (isinstance(value, kinds) and (isinstance(value, str) or 0 < value <= most)):
            raise WeightsError(f"{path} should describe the backbone beside it, but its {name} is {value!r:.80}: "
                               "something other than tfpt wrote it. Remove it, or bring back the original.")
    return description


def _near_files(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    names = [file.name for file in path.parent.iterdir() if file.name.endswith((KERAS, WEIGHTS_H5))]
    near = difflib.get_close_matches(path.name, names, n=1)
    return f" Did you mean {path.with_name(near[0])}?" if near else ""
