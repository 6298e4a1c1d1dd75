"""``tfpt predict``: what a run's model says of files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfpt.errors import UsageError
from tfpt.run_directory import Run
from tfpt.task import LeftOut
from tfpt.workflows.finished_data import with_data_dir
from tfpt.workflows.finished_run import open_finished, with_mirror


def predict(run: str | Path | Run, inputs: str | Path | Sequence[str | Path], *,
            top: int = 5, data_dir: str | None = None, flip: bool = False) -> Iterator[dict[str, Any]]:
    """Predictions for files and folders, one at a time, computed batch by batch.

    Args:
        run: a run, its folder or its name.
        inputs: files, or folders of files; or a single one; or one data set, such as ``tfds:mnist@test``.
        top: how many of the likeliest labels each prediction lists.
        data_dir: where data sets of TensorFlow Datasets are prepared; None: where they were when the run was trained.
        flip: answer with the mean of the answers to an input and to its mirror image.

    Returns:
        In the order of the inputs ``{"input", "label", "score", "top": [{"label", "score"}, …]}``, then, for each
        that can't be read, ``{"input", "error"}``. With ``flip`` each prediction says so.

    Raises:
        RunError: no such run, or an unfinished one.
        DataError: an input doesn't exist, or a folder has none.
        ConfigError: ``data_dir``, and the first input is no data set of TensorFlow Datasets.
        UsageError: ``top`` below 1, no inputs, or ``flip`` where the run's task knows no mirror image.
    """
    inputs = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    if top < 1:
        raise UsageError(f"top is {top}, but at least one label is listed for each input. Use --top 1 or more.")
    if not inputs:
        raise UsageError("There is nothing to predict: name at least one file or folder.")
    opened = with_data_dir(open_finished(run), data_dir, str(inputs[0]))
    opened = with_mirror(opened) if flip else opened
    source, left_out = opened.task.read_inputs(opened.config, opened.metadata, [str(path) for path in inputs])
    predictions = opened.task.predict(opened.config, opened.model, source, opened.metadata, top)
    return _answers(predictions, left_out, {"flip": True} if flip else {})


def _answers(predictions: Iterator[dict[str, Any]], left_out: list[LeftOut],
             how: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for prediction in predictions:
        yield {**prediction, **how}
    for item in left_out:
        yield {"input": item.path, "error": item.why}
