"""``tfpt compare``."""

import json

import click

from tfpt.commands.comparison_tables import comparison_lines


@click.command("compare")
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def command(runs: tuple[str, ...], as_json: bool) -> None:
    """Say what differs between runs, and whether one is better.

    RUN is a run's folder or its name; the others are compared with the first. Prints the settings that differ, the
    data, the scores of each run's own test, and McNemar's exact test on the test examples that two runs share,
    without those that one of them was trained on.

    \b
    tfpt compare photos-0001 photos-0002
    """
    from tfpt.workflows.compare import compare  # SciPy takes a second

    found = compare(runs)
    click.echo(json.dumps(found) if as_json else "\n".join(comparison_lines(found)))
