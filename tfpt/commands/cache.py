"""``tfpt cache``: list, verify, clear."""

import json
from collections.abc import Mapping
from typing import Any

import click

from tfpt.commands.options import FiniteRange
from tfpt.commands.tables import aligned
from tfpt.data.sizes import size_text
from tfpt.errors import CheckFailed
from tfpt.workflows.cache import CONVERTED, NOTES, cache_table, clear_cache, verify_cache

COLUMNS = ("name", "what", "rows", "size", "last used")
NOTHING_KEPT = "Nothing is kept in {} yet. Training runs put there what the next ones can use."


@click.group("cache")
def command() -> None:
    """Show, check and clear what is kept between runs.

    These are activations of frozen layers, images converted to PNG, and notes (which image files were found good, how
    fast the layers of a model are), under $TFPT_CACHE (by default ~/.cache/tfpt). All of it is made again when it is
    missing.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: cache, folders, converted, notes, bytes.")
def list_command(as_json: bool) -> None:
    """List what is kept, the least recently used first."""
    table = cache_table()
    if as_json:
        click.echo(json.dumps(table))
    elif table["folders"] or table["converted"]["images"] or table["notes"]["notes"]:
        click.echo("\n".join(aligned([COLUMNS, *map(_folder_cells, table["folders"]), *_last_rows(table)],
                                     right=(COLUMNS.index("rows"), COLUMNS.index("size")))))
    else:
        click.echo(NOTHING_KEPT.format(table["cache"]), err=True)


@command.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, {\"folders\": [...]}.")
def verify_command(as_json: bool) -> None:
    """Compare all checksums, and remove what is damaged.

    The exit code is 4 if something was. Runs do the same with what they read.
    """
    folders = verify_cache()["folders"]
    if as_json:
        click.echo(json.dumps({"folders": folders}))
    elif folders:
        click.echo("\n".join(aligned([("name", "segments", "state"), *map(_check_cells, folders)], right=(1,))))
    else:
        click.echo(NOTHING_KEPT.format(cache_table()["cache"]), err=True)
    damaged = [sentence for folder in folders for sentence in folder["damaged"]]
    if damaged:
        raise CheckFailed(" ".join(damaged) + " The next run that needs these rows computes them again.")


@command.command("clear")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--older-than", "older_than_days", type=FiniteRange(min=0), metavar="DAYS",
              help="Remove only what was last used more than so many days ago.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: removed, bytes.")
def clear_command(names: tuple[str, ...], older_than_days: float | None, as_json: bool) -> None:
    """Remove what is kept, or only what is named.

    NAME is a name of `tfpt cache list`, or how names begin; `converted` stands for all converted images, `notes` for
    all notes. Without a NAME everything goes, but for the converted images that a run has used in the last day: it may
    still be reading them. Running trainings don't mind that activations are cleared.
    """
    cleared = clear_cache(names, older_than_days)
    if as_json:
        click.echo(json.dumps(cleared))
    elif cleared["removed"]:
        rows = [(item["name"], size_text(item["bytes"])) for item in cleared["removed"]]
        click.echo("\n".join(aligned([("removed", "size"), *rows, ("total", size_text(cleared["bytes"]))], right=(1,))))
    else:
        click.echo("There was nothing to remove.", err=True)


def _folder_cells(folder: Mapping[str, Any]) -> tuple[str, ...]:
    what = ", ".join(text for text in folder["about"].values() if isinstance(text, str))
    return (folder["name"], what or "–", str(folder["rows"]), size_text(folder["bytes"]), folder["last_used"] or "–")


def _last_rows(table: Mapping[str, Any]) -> list[tuple[str, ...]]:
    images = table["converted"]
    converted = (CONVERTED, "images converted to PNG", str(images["images"]), size_text(images["bytes"]),
                 images["last_used"])
    notes = table["notes"]
    noted = (NOTES, "of files checked and layers timed", str(notes["notes"]), size_text(notes["bytes"]),
             notes["last_used"])
    return [*([converted] if images["images"] else []), *([noted] if notes["notes"] else []),
            ("total", table["cache"], "", size_text(table["bytes"]), "")]


def _check_cells(folder: Mapping[str, Any]) -> tuple[str, ...]:
    count = len(folder["damaged"])
    return (folder["name"], str(folder["segments"]), f"damaged: {count} of its segments" if count else "ok")
