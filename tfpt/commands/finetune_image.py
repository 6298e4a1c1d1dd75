"""``tfpt finetune-image``."""

from typing import Any

import click

from tfpt.commands.options import image_flags, run_options, settings_of
from tfpt.commands.training import run_training


@click.command("finetune-image")
@image_flags("--data", "--data-dir", "--backbone", "--weights", "--unfreeze", "--epochs", "--batch-size",
             "--learning-rate", "--image-size", "--alpha", "--cache", "--seed")
@run_options
def command(recipe: str | None, assignments: tuple[str, ...], run_dir: str | None, tensorboard_root: str, resume: bool,
            callback_names: tuple[str, ...], dry_run: bool, as_json: bool, **flags: Any) -> None:
    """Fine-tune a pretrained classifier on your images.

    Trains a new head on the backbone, then the backbone's last layers with it, evaluates on images kept back for
    the test and saves the best model. Without --data and --config it shows itself on bundled images.

    \b
    tfpt finetune-image --unfreeze 10
    tfpt finetune-image --data photos/ --unfreeze 10 --epochs 20
    tfpt finetune-image --data photos/ --backbone EfficientNetV2B0
    """
    run_training("finetune-image", settings_of(flags), recipe=recipe, assignments=assignments,
                 run_dir=run_dir, tensorboard_root=tensorboard_root, resume=resume,
                 callback_names=callback_names, dry_run=dry_run, as_json=as_json)
