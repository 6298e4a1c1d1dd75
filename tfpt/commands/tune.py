"""``tfpt tune``."""

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import click

from tfpt import runtime
from tfpt.commands.failures import say
from tfpt.commands.options import check_image_config, image_flags, refuse_empty, settings_of
from tfpt.commands.summary import summary_lines
from tfpt.errors import UsageError
from tfpt.registry import TASKS
from tfpt.run_directory import Run

SEARCHES = ("random", "bayesian", "hyperband", "grid")


def search_options(command: Any) -> Any:
    """What is searched for, how, and by which processes."""
    for option in reversed((
        click.option("--search", type=click.Choice(SEARCHES),
                     help="How values are chosen: at random (the default), by what earlier trials gave (bayesian), "
                          "many short trials of which the best go on (hyperband), or every combination (grid)."),
        click.option("--trials", type=click.IntRange(1, 1_000_000), metavar="N",
                     help="How many values to try (default 20; grid: every combination; hyperband decides itself)."),
        click.option("--executions-per-trial", type=click.IntRange(min=1), metavar="N",
                     help="Train the same values this often, with different seeds, and take the mean score (default "
                          "1)."),
        click.option("--objective", metavar="NAME",
                     help="The validation metric that decides, such as loss (default: the task's own)."),
        click.option("--train-best", is_flag=True, help="At the end, train with the best values as a run of its own."),
        click.option("--chief", metavar="HOST:PORT", help="Hand out trials at that address; this process trains none."),
        click.option("--worker", metavar="HOST:PORT", help="Train the trials that the chief at that address gives."),
    )):
        command = option(command)
    return command


def tune_options(command: Any) -> Any:
    """Where a search begins and what it leaves."""
    for option in reversed((
        click.option("--config", "recipe", metavar="RECIPE",
                     help="What all trials share and, in its search section, what they vary: a YAML file, or a "
                          "shipped one such as image_classification/demo."),
        click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE",
                     help="Set any config field for all trials, such as train.precision=float32. Repeatable."),
        click.option("--run-dir", metavar="FOLDER",
                     help="Write the search there instead of runs/tune-<name>-<number>."),
        click.option("--tensorboard-root", metavar="FOLDER", default="tensorboard_logs", show_default=True,
                     help="Write TensorBoard's events to a folder of the search's name in there."),
        click.option("--resume", is_flag=True, help="Continue the search of --run-dir, or the latest."),
        click.option("--dry-run", is_flag=True, help="Print the plan and stop."),
        click.option("--json", "as_json", is_flag=True, help="Print tuning.json in one line instead of a summary."),
    )):
        command = option(command)
    return command


@click.command("tune")
@click.argument("task", default="image_classification")
@image_flags("--data", "--data-dir", "--backbone", "--weights", "--epochs", "--batch-size", "--image-size", "--alpha",
             "--cache", "--seed")
@search_options
@tune_options
def command(task: str, recipe: str | None, assignments: tuple[str, ...], search: str | None, trials: int | None,
            executions_per_trial: int | None, objective: str | None, run_dir: str | None, tensorboard_root: str,
            resume: bool, train_best: bool, chief: str | None, worker: str | None, dry_run: bool, as_json: bool,
            **flags: Any) -> None:
    """Search learning rate, unfreeze depth or any setting.

    Every trial trains with other values and is scored on the validation images; data and what frozen layers give are
    computed once for all of them. TASK is image_classification.

    \b
    tfpt tune --data photos/ --trials 20
    tfpt tune --data photos/ --search bayesian --train-best
    """
    refuse_empty({"--config": recipe, "--run-dir": run_dir, "--tensorboard-root": tensorboard_root,
                  "--objective": objective})
    _check_task(task)
    _check_addresses(chief, worker)
    settings = settings_of(flags)
    check_image_config(recipe, settings, assignments, with_search=True)
    runtime.quiet_tensorflow(own_process=True)
    from tfpt.workflows.tune import tune

    found = tune(task, recipe=recipe, settings=settings, assignments=assignments, search=search,
                 trials=trials, executions_per_trial=executions_per_trial, objective=objective, run_dir=run_dir,
                 runs_root="runs", tensorboard_root=tensorboard_root, resume=resume, train_best=train_best,
                 chief=chief, worker=worker, dry_run=dry_run)
    if found is not None:
        _print(found.path, found.record(), as_json)


def _print(path: Path, record: dict[str, Any], as_json: bool) -> None:
    from tfpt.commands.tuning_summary import TRAINING_COMMANDS, tuning_lines

    if as_json:
        click.echo(json.dumps(record))
        return
    click.echo("\n".join(tuning_lines(path, record)))
    trained = (record["best"] or {}).get("run")
    if trained:
        run = Run(Path(trained))
        click.echo("\n".join(summary_lines(run.path, run.manifest(), TRAINING_COMMANDS[record["task"]])))


def _check_task(task: str) -> None:
    if task not in TASKS:
        raise UsageError(f"Expected a task that tfpt knows, but found {task!r}. The tasks are: {', '.join(TASKS)}. "
                         f"Data are named with --data, as in `tfpt tune --data photos/`.")


def _check_addresses(chief: str | None, worker: str | None) -> None:
    if chief is not None and worker is not None:
        raise UsageError("--chief and --worker are two processes, but both were given to this one. Start one process "
                         "with --chief and each of the others with --worker, all with the same address.")
    for flag, address in (("--chief", chief), ("--worker", worker)):
        if address is not None:
            _check_address(flag, address)


def _check_address(flag: str, address: str) -> None:
    parts = re.fullmatch(r"(\[[0-9a-f:.]+\]|[\w.-]+):(\d{1,5})", address, re.ASCII | re.IGNORECASE)
    if not parts or not 1 <= int(parts[2]) <= 65535:
        raise UsageError(f"{flag} takes HOST:PORT with a port from 1 to 65535, such as 127.0.0.1:8000, but found "
                         f"{address!r}.")
    if not _is_loopback(parts[1].strip("[]")):
        say(f"{flag} {address}: KerasTuner's service has no authentication; whoever reaches that port can read and "
            f"change the search. Let no network that you don't trust reach it, or use 127.0.0.1 and a tunnel.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
