"""Images that the graph decodes to other pixels than Pillow, stored once as PNG that both decode alike."""

import os
import threading
from pathlib import Path

from PIL import Image, ImageOps

from tfpt.data.converted_images import converted_directory
from tfpt.data.header import BrokenImage
from tfpt.errors import DataError


def normalised_png(image: Image.Image, content_hash: str) -> Path:
    """Decode by Pillow and store as PNG, named by the original's hash under ``cache_directory()/images``.

    Raises:
        BrokenImage: Pillow can't decode it, or its pixels have no agreed range.
        MemoryError: there is not enough for it.
        DataError: the cache can't be written.
    """
    try:
        pixels = to_rgb(image)
    except (BrokenImage, MemoryError):
        raise
    except Exception as error:  # damaged data can raise almost anything in a decoder
        raise BrokenImage("truncated or damaged: its pixels can't be decoded") from error
    path = normalised_path(content_hash)
    try:
        _save_beside_and_rename(pixels, path)
    except OSError as error:
        raise DataError(f"the cache of converted images, {path.parent}, can't be written: "
                        f"{error.strerror or error}. Set TFPT_CACHE to a folder that can.") from error
    return path


def normalised_path(content_hash: str) -> Path:
    """Where the PNG made from an image stands."""
    return converted_directory() / f"{content_hash}.png"


def to_rgb(image: Image.Image) -> Image.Image:
    """The first frame, upright, in 8-bit RGB, as Pillow's ``exif_transpose`` and ``convert("RGB")`` give it.

    Except for 16-bit greyscale: ``convert("RGB")`` of Pillow 13 (as of those before) sets all levels above 255 to
    255, which leaves the picture white. We keep the high byte of each level, as Pillow does for 16-bit colour and
    as libpng does in the graph. 32-bit integer and float images are clipped in the same way, but what their black
    and white are is not written in the file, so they are refused rather than guessed.

    Raises:
        BrokenImage: 32-bit pixels.
        Exception: whatever Pillow raises for damaged data.
    """
    upright = ImageOps.exif_transpose(image)
    # Older Pillow opens 16-bit PNG in mode I.
    if upright.mode.startswith("I;16") or (upright.mode == "I" and image.format == "PNG"):
        import numpy as np  # takes a tenth of a second, in each process that checks files

        return Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8)).convert("RGB")
    if upright.mode in ("I", "F"):
        raise BrokenImage("32-bit pixels without an agreed range: convert it to 8 or 16 bits")
    return upright.convert("RGB")


def _save_beside_and_rename(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two threads or two runs may convert the same image at once: each writes its own file, the last rename wins.
    beside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        image.save(beside, format="PNG", compress_level=1)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
