"""``tfpt report``."""

import json

import click

from tfpt.commands.failures import say
from tfpt.commands.options import refuse_empty
from tfpt.commands.tables import printable


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--to", metavar="FILE", help="Write this HTML file instead of report.html in the (first) run's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the file, its size, what is missing.")
def command(runs: tuple[str, ...], to: str | None, as_json: bool) -> None:
    """Write one HTML page of a run, or of several side by side.

    RUN is a run's folder or its name. The page holds plan, scores, curves, pictures, worst predictions and config, and
    opens in any browser without a network; of several runs also what `tfpt compare` says. Pictures that the run lacks
    are drawn first.

    \b
    tfpt report photos-0001
    tfpt report photos-0001 photos-0002 --to both.html
    """
    refuse_empty({"--to": to})
    from tfpt.data.sizes import size_text
    from tfpt.workflows.report import report

    found = report(runs, to)
    for note in found["notes"]:
        say(note)
    click.echo(json.dumps(found) if as_json else printable(f"wrote {found['where']} · {size_text(found['bytes'])}"))
