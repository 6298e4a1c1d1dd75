"""A finished run on a folder of small pictures, made without training, for the tests of what comes after it."""

from pathlib import Path

import keras
import numpy as np
from PIL import Image

from tfpt.atomic_files import atomic_write_text
from tfpt.config.loading import from_dict
from tfpt.config.writing import to_yaml
from tfpt.registry import get_task
from tfpt.run_directory import Run

CLASSES = {"dark": 40, "light": 210}
PER_CLASS = 12
SEED = 3


def write_pictures(folder: Path, per_class: int = PER_CLASS, seed: int = 0) -> None:
    """A folder per class, of 40×30 PNGs that no two are alike."""
    random = np.random.default_rng(seed)
    for name, level in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            pixels = np.clip(random.normal(level, 20, (30, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def write_run(folder: Path, data: Path, seed: int = SEED) -> Run:
    """A run of image_classification on ``data`` whose model has random weights but tells dark from light."""
    task = get_task("image_classification")
    config = task.resolve(from_dict(task.config_class, {
        "data": {"path": str(data), "image_size": 32}, "train": {"seed": seed},
        "model": {"weights": "none", "alpha": 0.35, "head": {"units": []}}}, "a test"))
    splits = task.sources(config)
    run = Run(folder)
    folder.mkdir(parents=True)
    atomic_write_text(run.config_file, to_yaml(config))
    counts = {part: len(getattr(splits, part)) for part in ("train", "validation", "test")}
    run.update_manifest(task=task.name, status="finished", seed=seed, metadata=dict(splits.metadata),
                        fingerprints={"data": splits.fingerprint}, environment={}, epochs=config.train.epochs,
                        data={"path": str(data), "summary": splits.summary, **counts, "left_out": []})
    brightness_model().save(run.model_file)
    return run


def brightness_model() -> keras.Model:
    """Pixels ``[batch, 32, 32, 3]`` to the probabilities of dark and light, right for every test picture."""
    pixels = keras.Input((32, 32, 3), name="pixels")
    mean = keras.layers.GlobalAveragePooling2D(name="head_pool")(keras.layers.Rescaling(1 / 127.5, -1.0)(pixels))
    output = keras.layers.Dense(2, "softmax", name="head_output")
    model = keras.Model(pixels, output(mean))
    output.set_weights([np.array([[-5.0, 5.0]] * 3, np.float32), np.zeros(2, np.float32)])
    return model
