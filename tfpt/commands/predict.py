"""``tfpt predict``."""

from typing import Any

import click

from tfpt import runtime
from tfpt.commands.failures import say
from tfpt.commands.options import data_dir_option
from tfpt.commands.predictions import FORMATS
from tfpt.errors import UsageError
from tfpt.run_directory import find_run


@click.command("predict")
@click.argument("run")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, metavar="N",
              help="Show the N likeliest labels of each input.")
@data_dir_option
@click.option("--flip", is_flag=True, help="Answer with the mean of the answers to each image and to its mirror image.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per input.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header, a row per input.")
@click.pass_context
def command(context: click.Context, run: str, paths: tuple[str, ...], top: int, data_dir: str | None, flip: bool,
            as_json: bool, as_csv: bool) -> None:
    """Say what a run's model sees in files and folders.

    RUN is a run's folder or its name; PATH may also be a data set, such as tfds:mnist@test. Files that can't be read
    are named, the others are answered, and the exit code is then 2; a path that isn't there is an error at once.

    \b
    tfpt predict photos-0001 a.jpg b.png holiday/
    tfpt predict photos-0001 holiday/ --csv > labels.csv
    """
    if as_json and as_csv:
        raise UsageError("Expected one format, but found --json and --csv together. Choose one of them.")
    found = find_run(run)  # a wrong name is told at once, not after the seconds that TensorFlow's import takes
    runtime.quiet_tensorflow(own_process=True)
    from tfpt.workflows.predict import predict

    write: Any = FORMATS["json" if as_json else "csv" if as_csv else "text"]
    if flip:
        say("each answer is the mean of those to the image and to its mirror image.")
    failed = write(predict(found, list(paths), top=top, data_dir=data_dir, flip=flip), top)
    if failed:
        context.exit(2)
