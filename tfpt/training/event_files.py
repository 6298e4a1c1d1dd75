"""TensorBoard's event files, and the summaries in them.

Written by hand of TensorBoard's own messages: ``tf.summary`` can't say that a training began again at an earlier step,
after which TensorBoard would show the steps of both.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.pr_curve import metadata as pr_curve_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.util.tensor_util import make_tensor_proto

PREFIX = "events.out.tfevents"
BUCKETS = 30
THRESHOLDS = 101
NOT_WRITTEN = (OSError, tf.errors.OpError)
"""What writing events may raise: no room, or no right to write."""


def problem_text(problem: BaseException) -> str:
    """What went wrong, in a line."""
    text = getattr(problem, "message", None) or getattr(problem, "strerror", None) or str(problem)
    return " ".join(text.split())[:200]


class EventFile:
    """A new event file in ``folder``, which TensorBoard reads after those that are there. OpError or OSError: no room.
    """

    def __init__(self, folder: Path, suffix: str = ""):
        folder.mkdir(parents=True, exist_ok=True)
        second = max([int(time.time()), *(1 + each for each in _seconds(folder))])  # clocks may have been set back
        self.path = folder / f"{PREFIX}.{second:010d}.{socket.gethostname()}.{os.getpid()}{suffix}"
        self._writer = tf.io.TFRecordWriter(str(self.path))
        self._last_step: int | None = None
        self._write(file_version="brain.Event:2")

    def write(self, step: int, summaries: Sequence[Summary]) -> None:
        """Add ``summaries`` at ``step``. Where that isn't after the last one, what the folder has from it on is void.
        """
        if self._last_step is None or step <= self._last_step:
            self._write(step=step, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))
        for summary in summaries:
            self._write(step=step, summary=summary)
        self._writer.flush()
        self._last_step = step

    def close(self) -> None:
        """Nothing is written any more."""
        self._writer.close()

    def _write(self, **fields: Any) -> None:
        self._writer.write(event_pb2.Event(wall_time=time.time(), **fields).SerializeToString())


def write_alone(folder: Path, suffix: str, step: int, summaries: Sequence[Summary]) -> None:
    """Write ``summaries`` to a file that takes the place of the earlier one whose name ends in ``suffix``.

    No other file of ``folder`` should have events. OpError or OSError: no room; the earlier one stays.
    """
    earlier = list(folder.glob(f"{PREFIX}*{suffix}")) if folder.is_dir() else []
    file = EventFile(folder, suffix)
    try:
        file.write(step, summaries)
        file.close()
    except NOT_WRITTEN:
        with contextlib.suppress(*NOT_WRITTEN):
            file.close()
        file.path.unlink(missing_ok=True)
        raise
    for path in earlier:
        path.unlink(missing_ok=True)


def scalars(values: Mapping[str, Any]) -> list[Summary]:
    """A curve's point each; what is no number, as a callback may have put it there, has none."""
    found = []
    for tag, value in values.items():
        with contextlib.suppress(TypeError, ValueError):
            found.append(scalar_pb(tag, float(value)))
    return found


def text(tag: str, markdown: str) -> Summary:
    """``markdown`` under ``tag``."""
    return text_pb(tag, markdown)


def image(tag: str, png: bytes, about: str = "") -> Summary:
    """A PNG file; ``about`` is Markdown that the reader can open beside it."""
    height, width = tf.io.decode_png(png).shape[:2]
    metadata = image_metadata.create_summary_metadata(display_name=None, description=about)
    return _tensor(tag, metadata, make_tensor_proto([str(width).encode(), str(height).encode(), png]))


def histogram(tag: str, values: np.ndarray) -> Summary:
    """Counts of ``values`` in 30 buckets of one width. (TensorBoard's own takes 30 bytes of memory for each value.)"""
    finite = np.asarray(values, np.float64).ravel()
    finite = finite[np.isfinite(finite)]
    counts, edges = np.histogram(finite, BUCKETS) if finite.size else (np.zeros(BUCKETS), np.zeros(BUCKETS + 1))
    buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)
    return _tensor(tag, histogram_metadata.create_summary_metadata(display_name=None, description=None),
                   make_tensor_proto(buckets, dtype=np.float64))


def pr_curve(tag: str, positive: np.ndarray, scores: np.ndarray, about: str = "") -> Summary:
    """Precision and recall at 101 thresholds: bool ``positive`` and ``scores`` in 0…1, both ``[examples]``.

    What is scored as high as the threshold counts as predicted. The numbers are those of TensorBoard's
    ``pr_curve.summary.pb``, which needs TensorFlow 1's interface.
    """
    thresholds = np.linspace(0, 1, THRESHOLDS)
    true = _at_least(thresholds, scores[positive])
    false = _at_least(thresholds, scores[~positive])
    rows = [true, false, false[0] - false, true[0] - true, true / np.maximum(true + false, 1e-7),
            true / np.maximum(true[0], 1e-7)]
    metadata = pr_curve_metadata.create_summary_metadata(display_name="", description=about, num_thresholds=THRESHOLDS)
    return _tensor(tag, metadata, make_tensor_proto(np.array(rows, np.float32), dtype=np.float32))


def _at_least(thresholds: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How many scores are as high as each threshold."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left")


def _tensor(tag: str, metadata: SummaryMetadata, tensor: Any) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)])


def _seconds(folder: Path) -> list[int]:
    """Those in the names of the event files in ``folder``."""
    parts = [path.name.removeprefix(f"{PREFIX}.").split(".")[0] for path in folder.glob(f"{PREFIX}.*")]
    return [int(part) for part in parts if part.isdecimal()]
