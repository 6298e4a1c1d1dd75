"""``tfpt explain``."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from tfpt import runtime
from tfpt.commands.failures import say
from tfpt.commands.options import refuse_empty
from tfpt.commands.predictions import write_lines
from tfpt.commands.tables import printable
from tfpt.run_directory import find_run
from tfpt.task import BASELINES, GRAD_CAM, INTEGRATED_GRADIENTS

LARGEST_GAP = 0.1
LARGEST_BASELINE_SCORE = 0.5


@click.command("explain")
@click.argument("run")
@click.argument("paths", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--method", type=click.Choice([GRAD_CAM, INTEGRATED_GRADIENTS, "both"]), default=GRAD_CAM,
              show_default=True, help="Regions in a moment, or single pixels, which takes a second or more an image.")
@click.option("--class", "class_name", metavar="NAME",
              help="Show what speaks for this class instead of for the likeliest one of each image.")
@click.option("--steps", type=click.IntRange(min=1, max=10_000), default=50, show_default=True,
              help="Steps of integrated gradients: more are more exact, and take longer.")
@click.option("--baseline", type=click.Choice(list(BASELINES)), default="black", show_default=True,
              help="The image that integrated gradients compare with: pixels like it can't speak for anything.")
@click.option("--out", metavar="FOLDER", help="Write the pictures here instead of into explanations/ in RUN's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per image.")
@click.pass_context
def command(context: click.Context, run: str, paths: tuple[str, ...], method: str, class_name: str | None, steps: int,
            baseline: str, out: str | None, as_json: bool) -> None:
    """Show what a run's model looks at in images.

    RUN is a run's folder or its name; IMAGE is a file, or a folder with all images below it. For each image a PNG is
    written that shows it beside what speaks for a class in it: the regions by Grad-CAM, the pixels by integrated
    gradients. Files that can't be read are named, the others are explained, and the exit code is then 2.

    \b
    tfpt explain photos-0001 a.jpg holiday/
    tfpt explain photos-0001 a.jpg --method both --class birds --out pictures/
    """
    refuse_empty({"--class": class_name, "--out": out})
    found = find_run(run)  # a wrong name is told at once, not after the seconds that TensorFlow's import takes
    runtime.quiet_tensorflow(own_process=True)
    from tfpt.workflows.explain import explain

    notices = Notices()
    answers = notices.watched(explain(found, list(paths), method=method, class_name=class_name, steps=steps,
                                      baseline=baseline, out=out))
    failed = write_lines(answers, json.dumps if as_json else _line, broken_to_stdout=as_json)
    for notice in notices.lines():
        say(notice)
    if failed:
        context.exit(2)


class Notices:
    """What is to be said of integrated gradients once all of them are there."""

    def __init__(self) -> None:
        self._gaps: list[float] = []
        self._seen: dict[str, float] = {}
        self._baseline = ""

    def watched(self, answers: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """``answers``, one at a time as they come."""
        for answer in answers:
            how = answer.get("integrated_gradients")
            if how is not None:
                self._gaps.append(abs(answer["class_score"] - how["baseline_score"] - how["sum"]))
                self._baseline = how["baseline"]
                if how["baseline_score"] >= LARGEST_BASELINE_SCORE:
                    self._seen[answer["class"]] = how["baseline_score"]
            yield answer

    def lines(self) -> list[str]:
        """None where all is well."""
        lines = [f"a plain {self._baseline} image is itself taken for {name} ({score:.2f}), so that integrated "
                 f"gradients can't say much of {name}. Try another --baseline." for name, score in self._seen.items()]
        large = sum(gap > LARGEST_GAP for gap in self._gaps)
        if large:
            lines.append(f"the integrated gradients of {large:,} of {len(self._gaps):,} images miss the change in "
                         f"probability that they should add up to, by {max(self._gaps):.2f} at most. More --steps "
                         "bring them closer.")
        return lines


def _line(answer: Mapping[str, Any]) -> str:
    other = "" if answer["class"] == answer["label"] else f"  as {answer['class']} {answer['class_score']:.3f}"
    return printable(f"{answer['input']}  {answer['label']} {answer['score']:.3f}{other}  → {answer['picture']}")
