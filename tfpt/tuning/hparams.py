"""A search in TensorBoard's HParams dashboard: every trial with its values, its metrics and how it ended."""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api as hp
from tensorboard.plugins.hparams import api_pb2, summary

from tfpt.tuning.trial_result import TrialResult

SUFFIX = ".hparams"
METRIC_TAG = "best/{}"  # not the name alone, under which a training writes a point per epoch
ENDS = {"completed": api_pb2.STATUS_SUCCESS, "failed": api_pb2.STATUS_FAILURE}


class HParamsLog:
    """Writes to ``folder``, one for each search: ``tensorboard --logdir`` of it shows its trials alone.

    The dashboard knows one kind of value for each hyper-parameter, so one that takes 5 as well as "all" is text.

    Args:
        space: by dotted name, the values that a hyper-parameter may have: its choices, or the ends of its range.
        metrics: names of validation metrics; the dashboard is empty without any.
    """

    def __init__(self, folder: Path, space: Mapping[str, Sequence[Any]], metrics: Sequence[str]):
        self._folder, self._metrics = folder, metrics
        self._kinds = {name: _kind(values) for name, values in space.items()}
        self._space = {name: [self._cell(name, value) for value in values] for name, values in space.items()}

    def trial_folder(self, number: int) -> Path:
        """Where a trial's events are, those of its training too."""
        return self._folder / f"trial-{number:04d}"

    def write_search(self) -> None:
        """Say what is searched and what is measured. What an earlier call wrote is replaced."""
        metrics = [hp.Metric(METRIC_TAG.format(name), display_name=f"val {name}") for name in self._metrics]
        with _fresh_writer(self._folder):
            hp.hparams_config([hp.HParam(name, _domain(values)) for name, values in self._space.items()], metrics)

    def write_trial(self, result: TrialResult) -> None:
        """Say what a trial tried, what it reached and how it ended. What an earlier call wrote is replaced."""
        now = time.time()
        values = {name: self._cell(name, value) for name, value in result.values.items()}
        with _fresh_writer(self.trial_folder(result.number)):
            # Trials of one id, of several searches in one dashboard, would be taken for one trial's repetitions.
            hp.hparams(values, trial_id=f"trial {result.number} of {self._folder.name}",
                       start_time_secs=now - result.wall_seconds)
            for name, value in result.metrics.items():
                if name in self._metrics and math.isfinite(value):
                    tf.summary.scalar(METRIC_TAG.format(name), value, step=result.epoch or 0)
            if result.status in ENDS:
                end = summary.session_end_pb(ENDS[result.status], now)
                tf.summary.experimental.write_raw_pb(end.SerializeToString(), step=0)

    def _cell(self, name: str, value: Any) -> Any:
        """``value`` as the dashboard takes it, of the one kind of its hyper-parameter."""
        kind = self._kinds.get(name, str)
        if kind is not str:
            return kind(value)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _kind(values: Sequence[Any]) -> type:
    if all(isinstance(value, bool) for value in values):
        return bool
    return float if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values) else str


def _domain(values: Sequence[Any]) -> Any:
    if all(isinstance(value, float) for value in values):
        return hp.RealInterval(min(values), max(values))
    return hp.Discrete(list(dict.fromkeys(values)))


@contextmanager
def _fresh_writer(folder: Path) -> Iterator[None]:
    """The default writer, to a new file in place of our last one: TensorBoard believes the first that it reads."""
    for earlier in folder.glob(f"events.out.tfevents.*{SUFFIX}"):
        earlier.unlink(missing_ok=True)  # another process may be writing the same
    writer = tf.summary.create_file_writer(str(folder), filename_suffix=SUFFIX)
    try:
        with writer.as_default():
            yield
    finally:
        writer.close()
