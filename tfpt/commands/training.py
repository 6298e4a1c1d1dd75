"""What the training commands do after parsing: one call of the workflow, then its result on stdout."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from tfpt import runtime
from tfpt.commands.options import check_image_config, refuse_empty
from tfpt.commands.summary import summary_lines


def run_training(command: str, settings: Mapping[str, Any], *, recipe: str | None, assignments: Sequence[str],
                 run_dir: str | None, tensorboard_root: str, resume: bool, callback_names: Sequence[str], dry_run: bool,
                 as_json: bool) -> None:
    """Trains an image classifier as ``command`` and prints its summary, or ``run.json`` as one line."""
    refuse_empty({"--config": recipe, "--run-dir": run_dir, "--tensorboard-root": tensorboard_root})
    check_image_config(recipe, settings, assignments)
    runtime.quiet_tensorflow(own_process=True)
    from tfpt.workflows.named_callbacks import load_callbacks
    from tfpt.workflows.train import train

    callbacks = load_callbacks(callback_names)
    run = train("image_classification", recipe=recipe, settings=settings, assignments=assignments, run_dir=run_dir,
                tensorboard_root=tensorboard_root, resume=resume, dry_run=dry_run, callbacks=callbacks)
    if run is None:
        return
    if as_json:
        click.echo(json.dumps(run.manifest()))
    else:
        click.echo("\n".join(summary_lines(run.path, run.manifest(), command)))
