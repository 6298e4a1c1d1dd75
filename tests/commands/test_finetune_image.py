"""``tfpt finetune-image --cache``, as a user sees it: the plan's line, the record, the rows of an earlier run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tfpt
from tfpt.cli import main

CHECKOUT = Path(tfpt.__file__).parents[1]
TINY = ("--config", "image_classification/tiny", "--epochs", "3", "--set", "freeze.head_epochs=1",
        "--set", "cache.dtype=float32")  # random features are too small for float16


def process(*arguments, folder):
    done = subprocess.run([sys.executable, "-m", "tfpt", "finetune-image", *arguments], capture_output=True, text=True,
                          timeout=300, cwd=folder, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def in_folder(tmp_path, monkeypatch, capsys):
    """Runs the command here: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(["finetune-image", *arguments])
        return (code, *capsys.readouterr())

    return run


def lines_of(text, label):
    return [line for line in text.splitlines() if line.startswith(label)]


def test_an_unknown_place_is_refused_with_the_choices(in_folder, tmp_path):
    code, out, err = in_folder("--cache", "nonsense")
    assert code == 2 and out == "" and err.count("\n") == 1 and "nonsense" in err
    assert all(choice in err for choice in ("auto", "memory", "disk", "off"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode, words", [
    ("memory", ["cut after", "in memory ·", "of the forward work saved"]), ("disk", ["cut after", "on disk ·"]),
    ("auto", ["cut after", "in memory and on disk ·"]), ("off", ["none: off"])])
def test_a_dry_run_shows_where_the_cut_is_and_what_it_saves(in_folder, own_cache, mode, words):
    code, out, _ = in_folder(*TINY, "--cache", mode, "--dry-run")
    assert code == 0 and not (own_cache / "prefix").exists()
    line, = lines_of(out, "cache ")
    assert all(word in out for word in words), out


def test_a_second_run_says_that_it_found_the_rows_of_the_first(in_folder, tmp_path, own_cache):
    code, out, err = process(*TINY, "--cache", "disk", "--json", folder=tmp_path)
    assert code == 0, err
    first = json.loads(out.splitlines()[-1])
    assert first["cache"]["where"] == "disk" and first["cache"]["kept"] and first["cache"]["cuts"]
    assert first["cache"]["computed_rows"] > 0 == first["cache"]["loaded_rows"]
    assert first["wall_seconds"]["prefix"] > 0
    assert "run at" in lines_of(err, "prefix")[0] and list((own_cache / "prefix").glob("*/*.rows"))
    code, out, err = in_folder(*TINY, "--cache", "auto", "--json")
    assert code == 0, err
    second = json.loads(out.splitlines()[-1])
    assert second["cache"]["where"] == "memory" and second["cache"]["computed_rows"] == 0
    assert second["cache"]["loaded_rows"] == first["cache"]["computed_rows"]
    assert "found from another run" in lines_of(err, "prefix")[0]
    assert second["metrics"] == first["metrics"]
