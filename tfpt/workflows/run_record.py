"""run.json as evaluating, predicting, exporting and resuming need it: a run may come from somebody else."""

from collections.abc import Mapping
from typing import Any

from tfpt.errors import RunError
from tfpt.run_directory import Run

LARGEST = 2**32 - 1
_REMEDY = "It is damaged, or something else wrote it: bring back the original, or start a new run."


class Metadata(dict[str, Any]):
    """What the data told the model builder; what is missing of it is missing in the file."""

    def __init__(self, values: Mapping[str, Any], where: str):
        super().__init__(values)
        self._where = where

    def __missing__(self, name: str) -> Any:
        raise RunError(f"Expected {self._where} to hold metadata.{name}, written by a training, but it does not. "
                       f"{_REMEDY}")


def checked_record(run: Run) -> dict[str, Any]:
    """What ``run.training_record`` gives, its parts looked at too. RunError: one is of another kind."""
    record = run.training_record()
    metadata = record["metadata"]
    names, counts = metadata.get("class_names", ["a"]), metadata.get("class_counts", [])
    right = {
        "epochs": _is_whole(record["epochs"], 1),
        "seed": _is_whole(record.get("seed", 0), 0),
        "fingerprints": all(isinstance(value, str) for value in record["fingerprints"].values()),
        "cache": isinstance(record.get("cache", {}), dict),
        "metadata.class_names": isinstance(names, list) and names and all(isinstance(name, str) for name in names),
        "metadata.class_counts": isinstance(counts, list) and all(_is_whole(count, 0) for count in counts),
        "metadata.image_size": _is_whole(metadata.get("image_size", 1), 1),
    }
    wrong = [name for name, holds in right.items() if not holds]
    if wrong:
        raise RunError(f"Expected {run.manifest_file} to hold {wrong[0]} as a training writes it, but it does not. "
                       f"{_REMEDY}")
    return {**record, "metadata": Metadata(metadata, str(run.manifest_file))}


def _is_whole(value: Any, smallest: int) -> bool:
    return type(value) is int and smallest <= value <= LARGEST
