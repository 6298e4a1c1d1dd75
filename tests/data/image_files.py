"""Images that the tests of this folder write: photo-like pixels, class folders, sources in memory."""

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from tfpt.data.held_pixels import HeldPixels
from tfpt.data.source import ImageSource


def photo(seed: int = 0, height: int = 37, width: int = 53) -> np.ndarray:
    """uint8 ``[height, width, 3]``: smooth with some noise, so that JPEG and resizing have something to do."""
    random = np.random.default_rng(seed)
    steps = random.normal(size=(height, width, 3)).cumsum(0).cumsum(1) + random.normal(size=(height, width, 3))
    return ((steps - steps.min()) / np.ptp(steps) * 255).astype(np.uint8)


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    """A file of one of Pillow's formats, in memory."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def save_photo(path: Path, seed: int = 0, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo(seed, 9, 12)).save(path, **options)
    return path


def class_folders(folder: Path, counts: dict[str, int], first_seed: int = 0) -> Path:
    """``counts`` different PNG files for each class name."""
    seed = first_seed
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            save_photo(folder / name / f"{number}.png", seed)
            seed += 1
    return folder


def source_in_memory(count: int, size: int = 8, channels: int = 3, seed: int = 0) -> ImageSource:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (count, size, size, channels)).astype(np.uint8)
    return ImageSource(labels=random.integers(0, 3, count).astype(np.int32),
                       names=tuple(f"image {i}" for i in range(count)),
                       hashes=tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in pixels),
                       pixels=HeldPixels(pixels))
