"""``tfpt serve-check``."""

import json

import click

from tfpt import runtime
from tfpt.commands.export_summary import check_lines
from tfpt.commands.options import refuse_empty
from tfpt.run_directory import find_run


@click.command("serve-check")
@click.argument("directory", metavar="DIR")
@click.option("--run", metavar="RUN", help="The run that it was exported from (default: the one that it lies in).")
@click.option("--data", metavar="PATH", help="Check on these data instead of the run's own test images (data.path).")
@click.option("--trust", is_flag=True,
              help="Load it though its operations may reach files, addresses or other processes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def command(directory: str, run: str | None, data: str | None, trust: bool, as_json: bool) -> None:
    """Check an export as a server would load it.

    DIR is an export, the folder of its versions, or a run: then the newest version is checked. Reads which operations
    it has before it loads it; asks it for up to 1,000 test examples, in a fresh process and through TensorFlow's C++
    loader, and holds the answers against the trained model's; replays its warm-up requests; measures latency.

    \b
    tfpt serve-check runs/photos-0001/export/1
    tfpt serve-check copied/1 --run photos-0001 --data more-photos/
    """
    refuse_empty({"DIR": directory, "--run": run, "--data": data})
    found = None if run is None else find_run(run)
    runtime.quiet_tensorflow(own_process=True)
    from tfpt.workflows.serve_check import serve_check

    report = serve_check(directory, run=found, data=data, trust=trust)
    click.echo(json.dumps(report) if as_json else "\n".join(check_lines(report)))
