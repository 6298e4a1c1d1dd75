"""The command as a process, and what it refuses before TensorFlow is imported."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from tfpt.cli import main

BUNDLED = ["--config", "image_classification/tiny", "--weights", "bundled", "--image-size", "96"]


def test_a_suggestion_a_picture_and_what_to_do_next(tmp_path):
    done = subprocess.run([sys.executable, "-m", "tfpt", "find-lr", *BUNDLED, "--steps", "60", "--from", "1e-5"],
                          cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    labels = [line.split()[0] for line in done.stdout.splitlines()]
    assert labels == ["tested", "picture", "rate", "next"] and "learning rate 1.0e-05 to" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "find-lr.png"]  # the tests' TFPT_CACHE
    assert Image.open(tmp_path / "find-lr.png").width > 600


def test_json(tmp_path):
    done = subprocess.run([sys.executable, "-m", "tfpt", "find-lr", *BUNDLED, "--steps", "20", "--json", "--plot",
                           "other.png"], cwd=tmp_path, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert set(found) == {"suggestion", "phase", "test"} and len(found["test"]["rates"]) == 20
    assert (tmp_path / "other.png").exists()


@pytest.mark.parametrize("arguments, words", [
    (["--from", "1", "--to", "0.1"], "--from 1 has to be below --to 0.1"), (["--from", "0"], "--from"),
    (["--to", "nan"], "--to"), (["--steps", "5"], "--steps"), (["--phase", "0"], "--phase"), (["--plot", ""], "--plot"),
    (["--plot", "nowhere/a.png"], "doesn't exist"), (["--plot", "a.txt"], "doesn't end in .png"),
    (["--set", "optimizer.nme=adam"], "optimizer.name"), (["--data", "nowhere/"], "nowhere")])
def test_what_it_refuses(capsys, arguments, words):
    assert main(["find-lr", *arguments]) == 2
    assert words in capsys.readouterr().err
