"""``tfpt export``."""

import json

import click

from tfpt import runtime
from tfpt.commands.export_summary import export_lines
from tfpt.commands.options import data_dir_option, refuse_empty
from tfpt.config.export import FORMATS, QUANTIZATIONS, SAVED_MODEL
from tfpt.run_directory import find_run


@click.command("export")
@click.argument("run")
@click.option("--version", type=click.IntRange(1, 2 ** 63 - 1), metavar="N",
              help="The export's number; an existing one is never written over (default: the next free one).")
@click.option("--to", metavar="DIR", help="Write DIR/<version> instead of <run>/export/<version>.")
@click.option("--data", metavar="PATH", help="Check on these data instead of the run's own test images (data.path).")
@data_dir_option
@click.option("--format", "model_format", type=click.Choice(FORMATS), default=SAVED_MODEL, show_default=True,
              help="saved_model for TF Serving; onnx and litert hold the network alone, without the decoding of files.")
@click.option("--quantize", type=click.Choice(QUANTIZATIONS), default=QUANTIZATIONS[0], show_default=True,
              help="Of litert: keep the weights in float16, or weights and activations in int8, calibrated on training "
                   "images.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a summary.")
def command(run: str, version: int | None, to: str | None, data: str | None, data_dir: str | None, model_format: str,
            quantize: str, as_json: bool) -> None:
    """Write a run's model for serving, and check its numbers.

    RUN is a run's folder or its name. The export is loaded in a process that has neither Keras nor tfpt, and asked
    for up to 1,000 test examples; if one is answered otherwise than the trained model does, nothing is published
    and the exit code is 4.

    \b
    tfpt export photos-0001
    tfpt export photos-0001 --format litert --quantize int8
    """
    refuse_empty({"RUN": run, "--to": to, "--data": data, "--data-dir": data_dir})
    found = find_run(run)  # a wrong name is told at once, not after the seconds that TensorFlow's import takes
    runtime.quiet_tensorflow(own_process=True)
    from tfpt.workflows.export import export_run

    report = export_run(found, version=version, to=to, data=data, data_dir=data_dir, model_format=model_format,
                        quantize=quantize)
    click.echo(json.dumps(report) if as_json else "\n".join(export_lines(report)))
