"""The options that training commands share. A named flag sets one config field, and takes its help from it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.loading import field_help, load_config
from tfpt.errors import UsageError
from tfpt.models.families import family_of

Decorator = Callable[[Any], Any]


class NumberOrName(click.ParamType):
    """``10`` as a number, ``block_12`` as text: what ``--unfreeze`` takes."""

    name = "N|NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        try:
            return int(value)
        except ValueError:
            return str(value)


class FiniteRange(click.FloatRange):
    """A number in a range, and not ``nan``, which no comparison finds wrong, nor without end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


class NumberOrAuto(click.ParamType):
    """``1e-3`` as a number, ``auto`` as text."""

    name = "NUMBER|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        return str(value) if value == "auto" else click.FLOAT.convert(value, param, ctx)


IMAGE_FLAGS: dict[str, tuple[str, Any]] = {
    "--data": ("data.path", click.STRING),
    "--data-dir": ("data.data_dir", click.STRING),
    "--backbone": ("model.backbone", click.STRING),
    "--weights": ("model.weights", click.STRING),
    "--unfreeze": ("freeze.unfreeze", NumberOrName()),
    "--epochs": ("train.epochs", click.INT),
    "--batch-size": ("train.batch_size", click.INT),
    "--learning-rate": ("optimizer.learning_rate", NumberOrAuto()),
    "--image-size": ("data.image_size", click.INT),
    "--alpha": ("model.alpha", click.FLOAT),
    "--cache": ("cache.mode", click.STRING),
    "--seed": ("train.seed", click.INT),
}


def image_flags(*names: str) -> Decorator:
    """The named flags of ``IMAGE_FLAGS``, passed to the command as ``settings`` (dotted name -> value or None)."""
    def decorate(command: Any) -> Any:
        for name in reversed(names):
            field, kind = IMAGE_FLAGS[name]
            text = f"{field}: {field_help(ImageClassificationConfig, field)}."
            command = click.option(name, field.replace(".", "__"), type=kind, help=text)(command)
        return command

    return decorate


def settings_of(flags: dict[str, Any]) -> dict[str, Any]:
    """The flags that ``image_flags`` made, as dotted names to values; None where not given."""
    return {name.replace("__", "."): value for name, value in flags.items()}


def refuse_empty(given: Mapping[str, str | None]) -> None:
    """UsageError if a flag's value is empty."""
    for flag, value in given.items():
        if value == "":
            raise UsageError(f"{flag} is empty, perhaps a shell variable that isn't set. Give a value or leave it out.")


def run_options(command: Any) -> Any:
    """What every training command has beside its named flags."""
    for option in reversed((
        click.option("--config", "recipe", metavar="RECIPE",
                     help="A recipe: a YAML file, or a shipped one such as image_classification/demo."),
        click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE",
                     help="Set any config field, such as model.head.dropout=0.5; wins over the flags. Repeatable."),
        click.option("--run-dir", metavar="FOLDER", help="Write the run there instead of runs/<name>-<number>."),
        click.option("--tensorboard-root", metavar="FOLDER", default="tensorboard_logs", show_default=True,
                     help="Write TensorBoard's events to a folder of the run's name in there."),
        click.option("--resume", is_flag=True, help="Continue the run of --run-dir, or the latest, bit for bit."),
        click.option("--callback", "callback_names", multiple=True, metavar="MODULE:CLASS",
                     help="Call a Keras callback of yours, or of a package such as Weights & Biases or MLflow, that is "
                          "made without arguments. Runs that module's code. Repeatable."),
        click.option("--dry-run", is_flag=True, help="Print the plan and stop."),
        click.option("--json", "as_json", is_flag=True, help="Print run.json as the last line instead of a summary."),
    )):
        command = option(command)
    return command


data_dir_option = click.option(
    "--data-dir", metavar="FOLDER",
    help="Where data sets of TensorFlow Datasets are prepared, if not where they were when the run was trained "
         "(data.data_dir).")
"""Of the commands that take a finished run."""


def check_image_config(recipe: str | None, settings: Mapping[str, Any], assignments: Sequence[str], *,
                       with_search: bool = False) -> None:
    """Tells a slip in the config at once, not after the seconds that TensorFlow's import takes. Raises ConfigError."""
    config = load_config(ImageClassificationConfig, recipe=recipe, settings=settings, assignments=assignments,
                         with_search=with_search)
    family_of(config.model.backbone)
