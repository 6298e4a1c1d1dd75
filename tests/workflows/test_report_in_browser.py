"""A report as headless Chromium shows it. Nightly: not every machine has a browser (Debian's package chromium)."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workflows.told_runs import write_told_run
from tfpt.evaluation.learning_curves import SHADES
from tfpt.workflows.evaluate import evaluate
from tfpt.workflows.report import report

pytestmark = pytest.mark.nightly
LIGHT, DARK = (255, 255, 255), (0x16, 0x18, 0x1b)
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
         "--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")


@dataclass
class Shown:
    """What the browser made of a page: its picture, what its console said, and what the page asked others for."""

    pixels: np.ndarray
    console: list[str]
    requests: list[str]


def show(page: Path, scratch: Path, *flags: str, size: tuple[int, int] = (1400, 6000)) -> Shown:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "this test needs a browser: install chromium"
    scratch.mkdir()
    done = subprocess.run(
        [chromium, *QUIET, *flags, f"--user-data-dir={scratch / 'profile'}", f"--log-net-log={scratch / 'net.json'}",
         f"--window-size={size[0]},{size[1]}", f"--screenshot={scratch / 'shot.png'}", page.resolve().as_uri()],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    events = json.loads((scratch / "net.json").read_text(encoding="utf-8"))["events"]
    asked = [event["params"] for event in events if "initiator" in event.get("params", {})]
    with Image.open(scratch / "shot.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return Shown(pixels, [line for line in done.stderr.splitlines() if "CONSOLE" in line],
                 # The browser's own are of no origin.
                 [found["url"] for found in asked if found["initiator"] != "not an origin"])


def count(pixels: np.ndarray, colour: tuple[int, ...]) -> int:
    return int((pixels == colour).all(axis=-1).sum())


@pytest.fixture
def reported(run, tmp_path):
    """A page of two runs: one with all pictures, one that has lost its data and has names of the worst kind."""
    lines = [{"epoch": number, "phase": 1, "loss": 1 / number, "validation_loss": 1 / number} for number in (1, 2, 3)]
    run.metrics_file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run.update_manifest(phases=[{"from_epoch": 1, "to_epoch": 3, "unfreeze": 0, "units": 9, "batch_norm": "frozen",
                                 "head_rate": 1.0, "backbone_rate": 0.1, "trainable_parameters": 7}])
    evaluate(run)
    hostile = write_told_run(tmp_path / "told-0002", [True, False] * 5, class_names=[
        "<script>console.error('ran')</script>", "<img src=http://127.0.0.1:9/x onerror=console.error('ran')>"])
    return Path(report([run, hostile], to=tmp_path / "both.html")["where"])


def test_it_shows_everything_and_asks_nobody(reported, tmp_path):
    shown = show(reported, tmp_path / "scratch")
    assert shown.console == [] and shown.requests == []
    assert tuple(shown.pixels[0, 0]) == LIGHT
    shade = tuple(int(SHADES[0][place:place + 2], 16) for place in (1, 3, 5))
    assert count(shown.pixels, shade) > 10_000, "the learning curves aren't shown"
    assert count(shown.pixels, (0x08, 0x30, 0x6b)) > 1_000, "the confusion matrix isn't shown"


def test_it_is_dark_where_the_reader_wants_it(reported, tmp_path):
    shown = show(reported, tmp_path / "scratch", "--blink-settings=preferredColorScheme=0", size=(500, 3000))
    assert tuple(shown.pixels[0, 0]) == DARK and shown.console == []


def test_what_a_bad_page_does_would_be_seen(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text('<!DOCTYPE html><img src="http://127.0.0.1:9/x.png"><script>console.error("ran")</script>')
    shown = show(page, tmp_path / "scratch", size=(300, 300))
    assert shown.requests == ["http://127.0.0.1:9/x.png"] and "ran" in shown.console[0]
