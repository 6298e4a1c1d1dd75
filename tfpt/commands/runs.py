"""``tfpt runs``."""

import json
from collections.abc import Mapping
from typing import Any

import click

from tfpt.commands.tables import aligned
from tfpt.run_directory import RUNS_ROOT
from tfpt.workflows.runs import runs_table

COLUMNS = ("run", "task", "status", "data", "schedule", "score", "when")


@click.command("runs")
@click.option("--runs-root", default=RUNS_ROOT, show_default=True, metavar="FOLDER", help="Where the runs are.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, {\"runs\": [...]}.")
def command(runs_root: str, as_json: bool) -> None:
    """List the runs: status, data, schedule, score.

    The score is the accuracy on the test images. A run that was killed counts as interrupted: --resume continues it.
    """
    rows = runs_table(runs_root)
    if as_json:
        click.echo(json.dumps({"runs": rows}))
    elif rows:
        click.echo("\n".join(aligned([COLUMNS, *map(_cells, rows)], right=(COLUMNS.index("score"),))))
    else:
        click.echo(f"No runs under {runs_root}/ yet. `tfpt finetune-image` makes one.", err=True)


def _cells(row: Mapping[str, Any]) -> list[str]:
    shown = {**row, "score": None if row["score"] is None else f"{row['score']:.3f}"}
    return ["–" if shown[name] is None else str(shown[name]) for name in COLUMNS]
