"""What a classifier said of each test example, as a file: for pictures, and to compare runs example by example.

A run may be somebody else's: the file is arrays of numbers without compression, and its parts must fit together.
"""

import io
import os
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpt.atomic_files import atomic_write_bytes
from tfpt.errors import RunError
from tfpt.task import Answers

HASH_BYTES = 16
"""Of the 32 of a sha256: two of a thousand million examples are alike with a chance of 1e-21."""


@dataclass(frozen=True, eq=False)
class StoredPredictions:
    """One evaluation, example by example.

    Attributes:
        answers: what was said, and the true classes.
        content: uint8 ``[examples, 16]``, the first bytes of each example's content hash.
        trained_on: uint8 ``[training examples, 16]``, those of what the model was trained on.
    """

    answers: Answers
    content: np.ndarray
    trained_on: np.ndarray


def content_hashes(source: Any) -> np.ndarray:
    """The content hashes of an indexed source's examples as ``StoredPredictions`` has them, uint8 ``[n, 16]``."""
    heads = b"".join(bytes.fromhex(source.content_hash(index)[:2 * HASH_BYTES]) for index in range(len(source)))
    return np.frombuffer(heads, np.uint8).reshape(len(source), HASH_BYTES)


def write_predictions(predictions: StoredPredictions, file: Path) -> None:
    """Write ``file`` atomically. Raises RunError if it can't be written."""
    buffer = io.BytesIO()
    np.savez(buffer, probabilities=predictions.answers.probabilities.astype(np.float32),
             labels=predictions.answers.labels.astype(np.int32), content=predictions.content,
             trained_on=predictions.trained_on)
    atomic_write_bytes(file, buffer.getvalue())


def read_predictions(file: Path) -> StoredPredictions | None:
    """What ``write_predictions`` wrote there; None if there is no such file. RunError: it is something else."""
    try:
        arrays = _arrays(file)
        _check(arrays)
    except FileNotFoundError:
        return None
    except Exception as problem:  # what zipfile, NumPy and tokenize raise for bytes of any kind, no list holds
        raise RunError(f"Expected in {file} the test predictions that tfpt wrote there, but: "
                       f"{str(problem) or type(problem).__name__}. Remove the file; `tfpt evaluate "
                       f"{file.parent.parent}` writes it again.") from problem
    return StoredPredictions(Answers(arrays["probabilities"], arrays["labels"]), arrays["content"],
                             arrays["trained_on"])


def _arrays(file: Path) -> dict[str, np.ndarray]:
    with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ValueError("it is no file")
        with zipfile.ZipFile(stream) as members:
            if any(member.compress_type != zipfile.ZIP_STORED for member in members.infolist()):
                raise ValueError("its arrays are compressed: they may unpack to any size")
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files}  # bytes, if a member is no array


def _check(found: dict[str, np.ndarray]) -> None:
    """ValueError or KeyError if the arrays don't fit together."""
    examples, classes = found["probabilities"].shape
    expected = {"probabilities": (np.float32, (examples, classes)), "labels": (np.int32, (examples,)),
                "content": (np.uint8, (examples, HASH_BYTES)),
                "trained_on": (np.uint8, (len(found["trained_on"]), HASH_BYTES))}
    for name, (dtype, shape) in expected.items():
        array = found[name]
        if array.dtype != dtype or array.shape != shape:
            raise ValueError(f"{name} is {array.dtype} {list(array.shape)}, not {np.dtype(dtype)} {list(shape)}")
    if not examples or found["labels"].min() < 0 or found["labels"].max() >= classes:
        raise ValueError("there are no examples, or labels are no classes")
    if not np.isfinite(found["probabilities"]).all():
        raise ValueError("probabilities aren't finite")
