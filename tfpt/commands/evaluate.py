"""``tfpt evaluate``."""

import json

import click

from tfpt import runtime
from tfpt.commands.evaluation_tables import report_lines
from tfpt.commands.failures import say
from tfpt.commands.options import data_dir_option
from tfpt.run_directory import find_run


@click.command("evaluate")
@click.argument("run")
@click.option("--data", metavar="PATH", help="Evaluate on these data instead of the run's own test images "
                                             "(data.path): on their test part if they have one, else their "
                                             "validation part, else all.")
@data_dir_option
@click.option("--flip", is_flag=True, help="Score the mean of the answers to each image and to its mirror image.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def command(run: str, data: str | None, data_dir: str | None, flip: bool, as_json: bool) -> None:
    """Measure a run's model on its test images, or on others.

    RUN is a run's folder or its name. Prints accuracy, F1, ROC-AUC, log loss, Brier score and calibration with 95 %
    intervals, precision, recall and F1 of each class, and the confusion matrix. The same stands in the run's
    evaluation folder, with pictures: confusion matrix, ROC and precision-recall curves, reliability, learning curves,
    and the worst predictions.

    \b
    tfpt evaluate photos-0001
    tfpt evaluate photos-0001 --data new_photos/
    """
    found = find_run(run)  # a wrong name is told at once, not after the seconds that TensorFlow's import takes
    runtime.quiet_tensorflow(own_process=True)
    from tfpt.workflows.evaluate import evaluate

    report = evaluate(found, data=data, data_dir=data_dir, flip=flip)
    left_out = report.get("left_out") or []
    if left_out:
        names = ", ".join(f"{item['path']} ({item['why']})" for item in left_out[:3])
        say(f"{len(left_out)} left out: {names}{' …' if len(left_out) > 3 else ''}")
    if as_json:
        click.echo(json.dumps(report))
    else:
        click.echo("\n".join(report_lines(report)))
