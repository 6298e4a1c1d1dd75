"""What the benchmarks of training share: options, a job of tfpt without its run directory, and the file of results.

Light to import: prefix_cache_commands.py measures the memory of its children, which begins with its own.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path


def option_parser(description: str, unfreeze: Sequence[str]) -> argparse.ArgumentParser:
    """The options that all of them take; ``unfreeze`` are the settings that are compared by default."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--unfreeze", nargs="*", type=number_or_name, default=[*map(number_or_name, unfreeze)])
    parser.add_argument("--out", type=Path)
    return parser


def number_or_name(text: str) -> int | str:
    """As ``--unfreeze`` of tfpt takes it."""
    return int(text) if text.isdigit() else text


def bare_job(task, config, splits, plan, scratch: Path):
    """A ``Job`` that shows nothing and is never interrupted; what it writes goes to ``scratch``."""
    from tfpt.training.job import Job, make_average  # brings TensorFlow
    from tfpt.training.screen import Screen

    return Job(task, config, splits, plan.model, plan.units, plan.phases, plan.optimizers, plan.steps_per_epoch,
               scratch / "checkpoints", scratch / "metrics.jsonl", scratch / "tensorboard", (), Screen(quiet=True),
               lambda: None, plan.cache, average=make_average(config, plan.optimizers))


def write_rows(arguments: argparse.Namespace, rows: list[dict], **more) -> None:
    """``--out``, if it was given: the settings, ``more``, and the rows."""
    if arguments.out:
        settings = {name: value for name, value in vars(arguments).items() if name not in ("out", "plot")}
        arguments.out.write_text(json.dumps({"settings": settings, **more, "rows": rows}, indent=1) + "\n")
