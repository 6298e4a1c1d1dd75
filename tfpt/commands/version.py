"""``tfpt --version``."""

import click

from tfpt import runtime


def show_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    """Prints a line per package, then the devices, and ends the command."""
    if not asked or context.resilient_parsing:
        return
    lines = runtime.versions()
    width = max(map(len, lines)) + 2
    for name, version in lines.items():
        click.echo(f"{name:{width}}{version}")
    click.echo(f"{'devices':{width}}{', '.join(runtime.devices())}")
    context.exit()
