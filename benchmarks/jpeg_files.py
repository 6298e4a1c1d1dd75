"""JPEG files to measure on: smooth random colours under fine noise, about as costly to decode as photographs."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_images(folder: Path, count: int, classes: int = 5, width: int = 320, height: int = 240) -> None:
    """``count`` files in all, in a folder for each class."""
    generator = np.random.default_rng(0)
    for index in range(count):
        place = folder / f"class_{index % classes}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(0, 255, (8, 8, 3), np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int16)
        noisy = np.clip(smooth + generator.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(place / f"{index}.jpg", quality=90)
