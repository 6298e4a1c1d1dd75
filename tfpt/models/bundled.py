"""The bundled weights: a backbone as arrays in an ``.npz``, with its description (and sha256) in a ``.json`` beside."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfpt.errors import WeightsError

if TYPE_CHECKING:
    import keras

ASSET = Path(__file__).resolve().parents[1] / "assets" / "mobilenet_v2_0.35_96_fashion_mnist.npz"


def bundled_description() -> dict[str, Any]:
    """The bundled backbone's description; WeightsError if the installation lacks it."""
    try:
        return json.loads(ASSET.with_suffix(".json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"The bundled weights' description can't be read ({error}); this installation is "
                           "incomplete. Install tfpt again, or give other weights with --weights.") from error


def bundled_arrays() -> dict[str, np.ndarray]:
    """The bundled weights by ``"layer/weight"``, after their sha256 was checked; WeightsError if it differs."""
    expected = bundled_description().get("sha256")
    try:
        found = hashlib.sha256(ASSET.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"The bundled weights can't be read ({error}). Install tfpt again.") from error
    if found != expected:
        raise WeightsError(f"The bundled weights should have sha256 {expected}, but {ASSET} has {found}: the file "
                           "changed since it was made. Install tfpt again.")
    with np.load(ASSET, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def save_bundled(model: "keras.Model", path: Path, description: Mapping[str, Any]) -> None:
    """Write a classifier's (or a backbone's) backbone to ``path`` (.npz), and ``description`` with its sha256 beside.

    Kernels become float16, vectors (BatchNormalization's, whose variances may leave float16's range) stay float32.
    Raises WeightsError if a kernel doesn't fit float16.
    """
    from tfpt.models.backbone import backbone_layers
    from tfpt.models.weight_arrays import arrays_of

    with np.errstate(over="ignore"):
        arrays = {name: value.astype(np.float16) if value.ndim > 1 else value
                  for name, value in arrays_of(backbone_layers(model)).items()}
    for name, value in arrays.items():
        if not np.isfinite(value).all():
            raise WeightsError(f"{name} has values that float16 can't hold, or that aren't finite: not saved.")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # numpy's stub takes its flag for our names
    card = {**description, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", "utf-8")
