"""What ``tfpt export`` and ``tfpt serve-check`` say at their end."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfpt.commands.tables import aligned, printable

SERVING_IMAGE = "tensorflow/serving:2.21.0"


def export_lines(report: Mapping[str, Any]) -> list[str]:
    """The lines wrote, checked and serve."""
    checked = report["checked"]
    lines = [f"wrote     {printable(report['export'])} · {_content(report)} · {report['bytes'] / 1e6:.1f} MB"]
    lines += _checked(checked["loaders"], checked["examples"], checked["converted"])
    if checked["accuracy"]:
        lines.append("accuracy  " + " · ".join(f"{name} {value:.3f}" for name, value in checked["accuracy"].items()))
    if report["beyond_network"]:
        return [*lines, f"without   {report['beyond_network']}: clients do that themselves"]
    base = Path(report["export"]).parent.resolve()
    mount = f"{shlex.quote(printable(base))}:/models/model:ro"
    return [*lines, f"serve     docker run --rm -p 127.0.0.1:8501:8501 -v {mount} {SERVING_IMAGE}",
            f"ask       the curl lines in {printable(os.path.join(report['export'], 'signature.json'))}"]


def check_lines(report: Mapping[str, Any]) -> list[str]:
    """The lines export, ops, against, checked, warm-up and latency. An export may be anybody's: nothing in it steers
    the terminal.
    """
    return [printable(line) for line in _check_lines(report)]


def _check_lines(report: Mapping[str, Any]) -> list[str]:
    ops = report["ops"]
    text = f"; of tensorflow-text: {', '.join(ops['text'])}" if ops["text"] else ", all in core TensorFlow"
    lines = [f"export    {printable(report['export'])}", f"ops       {ops['count']} kinds{text}"]
    if report["compared_with"]:
        lines.append(f"against   {printable(report['compared_with'])}")
        lines += _checked(report["loaders"], report["examples"], report["converted"])
    else:
        lines.append(f"checked   it loads in {' and in '.join(report['loaders'])}; there is no "
                     f"run to compare its numbers with: name one with --run")
    lines.append(f"warm-up   {report['warm_up_requests']} requests answered" if report["warm_up_requests"] else
                 "warm-up   none: a server's first answers will be slow")
    rows = [(f"batch {row['batch_size']}", f"p50 {row['p50_ms']:.1f} ms", f"p99 {row['p99_ms']:.1f} ms",
             f"{row['examples_per_second']:,.0f} examples/s", f"{row['calls']} calls") for row in report["latency"]]
    titles = ["latency", *[""] * len(rows)]
    return [*lines, *(f"{title:<10}{line}" for title, line in zip(titles, aligned(rows)))]


def _content(report: Mapping[str, Any]) -> str:
    if not report["signatures"]:
        return str(report["file"])
    first, *others = report["signatures"]
    return f"{first}, {', '.join(others)} · warm-up · model card"


def _checked(loaders: Mapping[str, Mapping[str, Any]], examples: int, converted: int) -> list[str]:
    parts = [f"{name} {parity['report']}" for name, parity in loaders.items()]
    sent = f" ({converted:,} of them as PNG, as clients must send them)" if converted else ""
    return [f"checked   {examples:,} test examples{sent}: {'; '.join(parts)}"]
