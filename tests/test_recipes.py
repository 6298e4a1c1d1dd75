"""Every shipped recipe trains on tiny data; the ones that other tests run whole are named there."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.fake_imagenet import write_fake_imagenet
from tfpt.config.recipes import recipe_names
from tfpt.workflows.train import train

RUN_WHOLE = {"image_classification/tiny": "tests/conformance", "image_classification/by_heart": "tests/conformance",
             "image_classification/demo": "tests/test_docs.py"}
TINY = {"data.validation": 0.2, "data.train_per_class": 8, "train.epochs": 1, "optimizer.warmup_epochs": 0,
        "data.image_size": 32, "train.batch_size": 8}


def write_idx(folder: Path) -> Path:
    """The four gzipped files of MNIST and Fashion-MNIST, with 40 training and 10 test images of two classes."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for part, count in (("train", 40), ("t10k", 10)):
        pixels = generator.integers(0, 256, (count, 28, 28), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 2
        with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes())
        with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 2049, count) + labels.tobytes())
    return folder


@pytest.fixture
def imagenet(tmp_path, monkeypatch):
    """A file in the place of ImageNet's weights: there is no network in the tests."""
    write_fake_imagenet(tmp_path / "keras", alpha=1.0, size=96)
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path / "keras"))


@pytest.mark.parametrize("recipe", sorted(set(recipe_names()) - set(RUN_WHOLE)))
def test_the_recipe_trains(recipe, tmp_path, imagenet):
    data = write_idx(tmp_path / "idx")
    run = train(recipe.split("/")[0], recipe=recipe, settings={**TINY, "data.path": str(data)}, quiet=True,
                run_dir=str(tmp_path / "run"), tensorboard_root=str(tmp_path / "tensorboard"))
    assert run.manifest()["status"] == "finished"


@pytest.mark.parametrize("recipe", recipe_names())
def test_the_recipe_opens_with_its_purpose_and_command(recipe):
    text = (Path(__file__).parents[1] / "configs" / f"{recipe}.yaml").read_text(encoding="utf-8")
    header = [line for line in text.splitlines() if line.startswith("#")]
    assert text.startswith("# ") and any("tfpt " in line for line in header)
    assert any(word in " ".join(header) for word in ("Reached", "Expect")) and "REACHED" not in text
