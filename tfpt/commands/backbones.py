"""``tfpt backbones``."""

import json
from collections.abc import Mapping
from typing import Any

import click

from tfpt.commands.tables import aligned
from tfpt.data.sizes import size_text
from tfpt.workflows.backbones import backbones_table

COLUMNS = ("backbone", "parameters", "multiply-accumulates", "image size", "least", "layers", "alpha",
           "ImageNet weights")
NUMBERS = range(1, 6)
BYTES_PER_PARAMETER = 4


@click.command("backbones")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, {\"backbones\": [...]}.")
def command(names: tuple[str, ...], as_json: bool) -> None:
    """List the backbones: size, work, layers, ImageNet weights.

    Parameters and multiply-accumulates (of one image, at the size that a run takes if --image-size doesn't say) are
    those of the backbone without a head, at alpha 1 where there is a width multiplier. Layers are what --unfreeze
    counts. NAME is a backbone, of which more is told then, or how names begin.

    \b
    tfpt backbones
    tfpt backbones EfficientNetV2
    tfpt backbones MobileNetV2
    """
    rows = backbones_table(names)
    if as_json:
        click.echo(json.dumps({"backbones": rows}))
    elif len(rows) == 1:
        click.echo("\n".join(aligned(_details(rows[0]))))
    else:
        click.echo("\n".join(aligned([COLUMNS, *map(_cells, rows)], right=NUMBERS)))


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    alphas = row["imagenet"]["alphas"]
    return (row["backbone"], _short(row["parameters"]), _short(row["multiply_accumulates"]), str(row["image_size"]),
            str(row["minimum_image_size"]), str(row["layers"]), f"{alphas[0]:g}–{alphas[-1]:g}" if alphas else "–",
            _present(row["imagenet"]["files"]))


def _present(files: Mapping[str, bool]) -> str:
    present = sum(files.values())
    if len(files) == 1:
        return "here" if present else "to download"
    return f"{present} of {len(files)} here" if present else f"to download ({len(files)} kinds)"


def _details(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    imagenet, alphas = row["imagenet"], row["imagenet"]["alphas"]
    sizes = ", ".join(map(str, imagenet["image_sizes"]))
    kinds = f"of {sizes} px" + (f" and alpha {', '.join(f'{alpha:g}' for alpha in alphas)}" if alphas else "")
    scaling = row["preprocessing"]
    first, last = list(imagenet["files"])[0], list(imagenet["files"])[-1]
    here = [f"{file} (here)" for file, present in imagenet["files"].items() if present]
    return [
        ("backbone", row["backbone"]),
        ("parameters", f"{_short(row['parameters'])} without a head, about "
                       f"{size_text(row['parameters'] * BYTES_PER_PARAMETER)} to download"),
        ("work", f"{_short(row['multiply_accumulates'])} multiply-accumulates for an image of {row['image_size']} px"),
        ("layers", f"{row['layers']}, the most that --unfreeze takes"),
        ("image size", f"{row['minimum_image_size']} px or more; {row['image_size']} unless --image-size says another"),
        ("alpha", "any; 1 unless --alpha says another" if alphas else "none"),
        ("pixels", f"{scaling['channels']} levels 0–255 times {_numbers(scaling['scale'])}, plus "
                   f"{_numbers(scaling['offset'])}"),
        ("ImageNet weights", f"{kinds}; Keras downloads them once, or finds them here:"),
        ("", imagenet["folder"]),
        *[("", file) for file in here or dict.fromkeys((first, *(["…"] if len(imagenet["files"]) > 2 else []), last))],
        ("use", f"tfpt finetune-image --data photos/ --backbone {row['backbone']}"),
    ]


def _short(number: int) -> str:
    """Two or three digits: ``940 k``, ``2.3 M``, ``15.3 G``."""
    value, unit = next((number / size, unit) for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if number >= size)
    return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"


def _numbers(value: float | list[float]) -> str:
    return f"{value:.6g}" if isinstance(value, (int, float)) else f"({', '.join(f'{one:.6g}' for one in value)})"
