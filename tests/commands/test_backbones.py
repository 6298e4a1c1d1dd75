import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tfpt

CHECKOUT = Path(tfpt.__file__).parents[1]


@pytest.fixture
def backbones(tmp_path):
    """Runs the command as a process: exit code, stdout, stderr. Keras's cache holds one file of MobileNet."""
    models = tmp_path / "keras" / "models"
    models.mkdir(parents=True)
    (models / "mobilenet_1_0_224_tf_no_top.h5").touch()
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "KERAS_HOME": str(tmp_path / "keras")}

    def run(*arguments):
        done = subprocess.run([sys.executable, "-m", "tfpt", "backbones", *arguments], capture_output=True, text=True,
                              timeout=120, cwd=tmp_path, env=environment)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_table_with_a_line_each(backbones):
    code, out, err = backbones()
    header, *lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 40)
    assert header.split("  ")[0] == "backbone" and max(map(len, out.splitlines())) <= 120
    first, = [line.split() for line in lines if line.startswith("MobileNet ")]
    assert first == "MobileNet 3.2 M 568 M 224 32 85 0.25–1 1 of 16 here".split()
    large, = [line.split() for line in lines if line.startswith("EfficientNetB7")]
    assert large == "EfficientNetB7 64.1 M 37.7 G 600 32 810 – to download".split()
    small, = [line.split() for line in lines if line.startswith("MobileNetV3Small")]
    assert small[1:5] == "939 k 54.9 M".split() and small[-4:] == "to download (2 kinds)".split()


def test_one_is_told_more_of(backbones):
    code, out, _ = backbones("resnet50")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if not line.startswith(" "))
    assert code == 0 and lines["backbone"] == "ResNet50"
    assert lines["pixels"] == "BGR levels 0–255 times 1, plus (-103.939, -116.779, -123.68)"
    assert "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5" in out and "94 MB to download" in out
    assert lines["use"] == "tfpt finetune-image --data photos/ --backbone ResNet50"


def test_of_many_files_those_that_are_here_are_named(backbones):
    assert "mobilenet_1_0_224_tf_no_top.h5 (here)\n" in backbones("MobileNet")[1]
    out = backbones("MobileNetV2")[1]
    assert out.count("_no_top.h5") == 2 and "…" in out and "alpha 0.35, 0.5, 0.75, 1, 1.3, 1.4;" in out


def test_json_is_one_object(backbones):
    found = json.loads(backbones("VGG16", "VGG19", "--json")[1])["backbones"]
    assert [row["backbone"] for row in found] == ["VGG16", "VGG19"] and found[0]["parameters"] == 14_714_688


def test_an_unknown_name_offers_the_nearest(backbones):
    code, out, err = backbones("efficientb3")
    assert (code, out) == (2, "") and err.count("\n") == 1 and "Did you mean EfficientNetB3, " in err
