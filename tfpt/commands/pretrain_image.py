"""``tfpt pretrain-image``."""

from typing import Any

import click

from tfpt.commands.options import image_flags, run_options, settings_of
from tfpt.commands.training import run_training
from tfpt.config.image_classification import PRETRAIN_SETTINGS


@click.command("pretrain-image")
@image_flags("--data", "--data-dir", "--backbone", "--epochs", "--batch-size", "--learning-rate", "--image-size",
             "--alpha", "--seed")
@run_options
def command(recipe: str | None, assignments: tuple[str, ...], run_dir: str | None, tensorboard_root: str, resume: bool,
            callback_names: tuple[str, ...], dry_run: bool, as_json: bool, **flags: Any) -> None:
    """Train an image backbone from random weights.

    Everything trains from the first epoch (model.weights=none, freeze.unfreeze=scratch). The run's backbone is then
    a start for others: tfpt finetune-image --weights RUN.

    \b
    tfpt pretrain-image --data photos/ --alpha 0.35 --image-size 96 --epochs 30
    """
    run_training("pretrain-image", {**PRETRAIN_SETTINGS, **settings_of(flags)}, recipe=recipe, assignments=assignments,
                 run_dir=run_dir, tensorboard_root=tensorboard_root, resume=resume,
                 callback_names=callback_names, dry_run=dry_run, as_json=as_json)
