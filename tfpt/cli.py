"""The command line's root: command name -> ("module:attribute", one-line help), imported when called."""

import os
from collections.abc import Sequence

import click

from tfpt.commands.failures import run_group
from tfpt.commands.lazy import LazyGroup
from tfpt.commands.version import show_version

COMMANDS = {
    "finetune-image": ("tfpt.commands.finetune_image:command", "Fine-tune a pretrained classifier on your images."),
    "pretrain-image": ("tfpt.commands.pretrain_image:command", "Train an image backbone from random weights."),
    "find-lr": ("tfpt.commands.find_lr:command", "Find a learning rate for fine-tuning."),
    "tune": ("tfpt.commands.tune:command", "Search learning rate, unfreeze depth or any setting."),
    "evaluate": ("tfpt.commands.evaluate:command", "Measure a run's model on its test images, or on others."),
    "compare": ("tfpt.commands.compare:command", "Say what differs between runs, and whether one is better."),
    "report": ("tfpt.commands.report:command", "Write one HTML page of a run, or of several side by side."),
    "predict": ("tfpt.commands.predict:command", "Say what a run's model sees in files and folders."),
    "explain": ("tfpt.commands.explain:command", "Show what a run's model looks at in images."),
    "export": ("tfpt.commands.export:command", "Write a run's model for serving, and check its numbers."),
    "serve-check": ("tfpt.commands.serve_check:command", "Check an export as a server would load it."),
    "backbones": ("tfpt.commands.backbones:command", "List the backbones: size, work, layers, ImageNet weights."),
    "runs": ("tfpt.commands.runs:command", "List the runs: status, data, schedule, score."),
    "cache": ("tfpt.commands.cache:command", "Show, check and clear what is kept between runs."),
}


@click.group("tfpt", cls=LazyGroup, commands_table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]},
             epilog="`tfpt COMMAND --help` tells a command's options. Results go to stdout, progress to stderr.")
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=show_version,
              help="Show the versions of tfpt and the libraries under it, and the devices.")
@click.option("--debug", is_flag=True, envvar="TFPT_DEBUG", help="Show tracebacks (also: TFPT_DEBUG=1).")
def root(debug: bool) -> None:
    """From pretrained weights to a fine-tuned, evaluated model, one command each."""
    if debug:
        os.environ["TFPT_DEBUG"] = "1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code; ``arguments`` are those of the process by default."""
    return run_group(root, arguments)
