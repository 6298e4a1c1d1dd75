"""``tfpt find-lr``."""

import json
import os
from pathlib import Path
from typing import Any

import click

from tfpt import runtime
from tfpt.commands.options import FiniteRange, check_image_config, image_flags, refuse_empty, settings_of
from tfpt.errors import UsageError


RATE = FiniteRange(min=0, min_open=True)


@click.command("find-lr")
@image_flags("--data", "--data-dir", "--backbone", "--weights", "--unfreeze", "--epochs", "--batch-size",
             "--image-size", "--alpha", "--cache", "--seed")
@click.option("--config", "recipe", metavar="RECIPE", help="A recipe, as of tfpt finetune-image.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Set any config field. Repeatable.")
@click.option("--phase", type=click.IntRange(min=1), default=1, show_default=True,
              help="The phase of the freeze schedule that is tested: 1 is the head alone, unless all trains.")
@click.option("--from", "lowest", type=RATE, default=1e-6, show_default=True, help="The rate to begin with.")
@click.option("--to", "highest", type=RATE, default=1.0, show_default=True, help="The rate to end at.")
@click.option("--steps", type=click.IntRange(min=20, max=100_000), default=100, show_default=True,
              help="Updates, each at a higher rate than the one before.")
@click.option("--plot", metavar="FILE", default="find-lr.png", show_default=True, help="Where the picture goes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: suggestion, phase, test.")
def command(recipe: str | None, assignments: tuple[str, ...], phase: int, lowest: float, highest: float, steps: int,
            plot: str, as_json: bool, **flags: Any) -> None:
    """Find a learning rate for fine-tuning.

    Trains for some updates while the rate rises, draws the loss against the rate, and suggests one from where the
    loss falls (the range test, after Smith 2017). The model is thrown away. tfpt finetune-image --learning-rate auto
    does the same and takes what it finds.

    \b
    tfpt find-lr --unfreeze 10
    tfpt find-lr --data photos/ --unfreeze 10 --phase 2
    """
    refuse_empty({"--config": recipe, "--plot": plot})
    if lowest >= highest:
        raise UsageError(f"--from {lowest:g} has to be below --to {highest:g}.")
    _check_writable(Path(plot))
    check_image_config(recipe, settings_of(flags), assignments)
    runtime.quiet_tensorflow(own_process=True)
    from tfpt.evaluation.rate_plot import draw_range_test
    from tfpt.workflows.find_lr import find_lr

    found = find_lr("image_classification", recipe=recipe, settings=settings_of(flags), assignments=assignments,
                    phase=phase, lowest=lowest, highest=highest, steps=steps)
    click.echo(json.dumps(found.record()) if as_json else "\n".join(_lines(found, plot)))
    draw_range_test(found.test.rates, found.test.losses, found.test.smoothed, found.suggestion, Path(plot))


def _check_writable(plot: Path) -> None:
    """Before the test, which takes a while. UsageError: it won't do."""
    if plot.suffix.lower() != ".png":
        raise UsageError(f"Expected to draw the picture to a PNG file, but --plot {plot} doesn't end in .png. Nothing "
                         "else is written over.")
    folder = plot.absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK) or plot.is_dir():
        what = "that is a folder" if plot.is_dir() else f"the folder {folder} " + (
            "isn't writable" if folder.is_dir() else "doesn't exist")
        raise UsageError(f"Expected to draw the picture to --plot {plot}, but {what}. Name another file.")


def _lines(found: Any, plot: str) -> list[str]:
    rates = found.test.rates
    how = "until the loss ran away" if found.test.diverged else "to the end"
    lines = [f"tested    {len(rates)} updates, learning rate {rates[0]:.1e} to {rates[-1]:.1e}, {how}",
             f"picture   {plot}"]
    if found.suggestion is None:
        return [*lines, "rate      none: the loss never fell for long; try --to with more, or --steps with more"]
    return [*lines, f"rate      {found.suggestion:.2g}",
            f"next      tfpt finetune-image with the same options and --learning-rate {found.suggestion:.2g}"]
