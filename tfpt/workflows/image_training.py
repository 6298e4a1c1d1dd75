"""``tfpt.finetune_image`` and ``tfpt.pretrain_image``: the Python way into the same training as the commands."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfpt.config.image_classification import PRETRAIN_SETTINGS
from tfpt.errors import CallbackFailed, UsageError
from tfpt.run_directory import Run
from tfpt.workflows.train import train


def finetune_image(data: str | None = None, *, data_dir: str | None = None, backbone: str | None = None,
                   weights: str | None = None, unfreeze: int | str | None = None, epochs: int | None = None,
                   batch_size: int | None = None, learning_rate: float | str | None = None,
                   image_size: int | None = None, alpha: float | None = None,
                   cache: str | None = None, seed: int | None = None, config: str | None = None,
                   settings: Mapping[str, Any] | None = None, callbacks: Sequence[Any] = (), run_dir: str | None = None,
                   tensorboard_root: str = "tensorboard_logs", resume: bool = False, quiet: bool = False) -> Run:
    """Fine-tune an image classifier; every argument is that of ``tfpt finetune-image``.

    Args:
        config: a recipe's name or file.
        settings: any further config fields by dotted name, ``{"model.head.dropout": 0.5}``.
        callbacks: Keras callbacks. Batch methods are called once per group of batches that run in one call, as with
            Keras's ``steps_per_execution``. What one of them raises comes out of here once the run is saved.

    Returns:
        The finished run: ``run.path``, ``run.metrics``, ``run.manifest()``, ``run.model_file``.

    Raises:
        tfpt.errors.TfptError: as the command's exit codes.
    """
    named = {"data.path": data, "data.data_dir": data_dir, "model.backbone": backbone, "model.weights": weights,
             "freeze.unfreeze": unfreeze, "train.epochs": epochs, "train.batch_size": batch_size,
             "optimizer.learning_rate": learning_rate, "data.image_size": image_size, "model.alpha": alpha,
             "cache.mode": cache, "train.seed": seed}
    try:
        run = train("image_classification", recipe=config, settings={**named, **(settings or {})}, callbacks=callbacks,
                    run_dir=run_dir, tensorboard_root=tensorboard_root, resume=resume, quiet=quiet)
    except CallbackFailed as failed:
        assert failed.__cause__ is not None
        raise failed.__cause__  # the caller's own, such as a tuner's way to give up a trial
    assert run is not None  # only a dry run gives None
    return run


def pretrain_image(data: str | None = None, *, settings: Mapping[str, Any] | None = None, **arguments: Any) -> Run:
    """Train a classifier from random weights, for its backbone: everything trains from the first epoch.

    Takes what ``finetune_image`` takes, but for ``weights`` and ``unfreeze``.

    Raises:
        UsageError: one of those two was given.
    """
    for name in ("weights", "unfreeze"):
        if name in arguments:
            raise UsageError(f"pretrain_image takes no {name}: it trains everything from random weights. "
                             "finetune_image does.")
    return finetune_image(data, settings={**PRETRAIN_SETTINGS, **(settings or {})}, **arguments)
