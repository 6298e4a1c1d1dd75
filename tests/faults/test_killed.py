"""SIGKILL at any moment, ``--resume``, and what comes out has the bits of a run that was not killed: final and best
weights, optimizer slots, every other variable, metrics.jsonl, the models written and the scores of the test.
"""

import random
import signal
import time

import pytest

from tests.faults.killed_runs import differences, ended, finished, measure_once, started
from tfpt.registry import TASKS

# How often each moment comes at least in the tiny recipes, if a checkpoint is written after every call.
MOMENTS = {"update": 20, "late update": 10, "call": 24, "validation": 6, "writing": 120, "removal": 20, "phase end": 2,
           "phase begin": 1, "rows": 6, "row file": 2, "history": 4, "test": 1, "result": 9}
SAVES = ("0.001", "0.3", "60")
AT_ONCE = ("writing", "removal")  # their number counts checkpoints
NIGHTLY_KILLS = 30
counts: dict[str, int] = {}


@pytest.fixture(scope="module", params=sorted(TASKS))
def whole(request, whole_run):
    """Of each task a run that nobody stops: its ``result()`` comes when it is done."""
    return request.param, whole_run(request.param)


def drawn(kind, draw, most=None):
    """Such as ``writing:7:0.5``."""
    return f"{kind}:{draw.randint(1, min(most or MOMENTS[kind], MOMENTS[kind]))}:{draw.random():.3f}"


def was_killed(process, run_dir, kind):
    """Whether it came to the moment, at which it was killed; it ended as it should if it didn't."""
    code, text = ended(process)
    struck = run_dir.with_name("run.struck")
    assert (code == -signal.SIGKILL) == struck.exists() and code in (0, -signal.SIGKILL), text
    if struck.exists():
        struck.unlink()
        counts[kind] = counts.get(kind, 0) + 1
    return code != 0


def killed_and_resumed(task, run_dir, first, second, save_seconds):
    """The moment ``first`` has to come; ``second`` is hit in the run that goes on, if it comes there: returns whether.
    """
    process = started(task, run_dir, f"train.checkpoint_seconds={save_seconds}", moment=first)
    assert was_killed(process, run_dir, first.partition(":")[0]), f"{first} never came"
    again = second is not None and was_killed(
        started(task, run_dir, "--resume", moment=second), run_dir, second.partition(":")[0])
    if second is None or again:
        finished(task, run_dir, "--resume")
    return again


def test_killed_while_it_writes_a_checkpoint_and_resumed_again_among_cached_updates_of_the_last_phase(whole, tmp_path):
    task, uninterrupted = whole
    draw, run_dir = random.Random(f"{task} in CI"), tmp_path / "run"
    assert killed_and_resumed(task, run_dir, drawn("writing", draw, most=30), drawn("late update", draw), "0.001")
    assert differences(uninterrupted.result()[0], run_dir) == []


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(NIGHTLY_KILLS))
def test_killed_at_a_moment_of_every_kind_and_resumed(whole, tmp_path, seed):
    task, uninterrupted = whole[0], whole[1].result()
    draw, run_dir = random.Random(f"{task} {seed}"), tmp_path / "run"
    kinds = [*MOMENTS, "clock"]
    kind, other = kinds[seed % len(kinds)], draw.choice([*MOMENTS, None, None])
    second = drawn(other, draw, most=2) if other else None
    save_seconds = SAVES[0] if {kind, other} & set(AT_ONCE) else draw.choice(SAVES)
    if kind == "clock":
        killed_by_the_clock(task, run_dir, draw.uniform(0, uninterrupted[1]), save_seconds)
    else:
        killed_and_resumed(task, run_dir, drawn(kind, draw), second, save_seconds)
    assert differences(uninterrupted[0], run_dir) == []


@pytest.mark.nightly
@pytest.mark.parametrize("moment", ["update:3:0.5", "late update:5:0.5"])
def test_killed_while_images_are_mixed(tmp_path, moment):
    task, mixing = "image_classification", ("augment.mixup=0.4", "augment.cutmix=1.0")
    measure_once(task, tmp_path / "measured")
    finished(task, tmp_path / "whole", *mixing)
    process = started(task, tmp_path / "run", *mixing, "train.checkpoint_seconds=0.001", moment=moment)
    assert was_killed(process, tmp_path / "run", moment.partition(":")[0])
    finished(task, tmp_path / "run", "--resume")
    assert differences(tmp_path / "whole", tmp_path / "run") == []


def killed_by_the_clock(task, run_dir, seconds, save_seconds):
    """At any time from its start on: there may be no run yet, or no longer anything to kill."""
    process = started(task, run_dir, f"train.checkpoint_seconds={save_seconds}")
    time.sleep(seconds)
    process.kill()
    code, text = ended(process)
    assert code in (0, -signal.SIGKILL), text
    counts["clock"] = counts.get("clock", 0) + (code != 0)
    has_begun = (run_dir / "config.yaml").exists()
    finished(task, run_dir, *["--resume"] * has_begun)


@pytest.mark.parametrize("part", ["CI", pytest.param("nightly", marks=pytest.mark.nightly)])
def test_the_count_of_kills(capsys, part):
    with capsys.disabled():
        print(f"\n{part}: {sum(counts.values())} trainings killed by SIGKILL and resumed: "
              + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
