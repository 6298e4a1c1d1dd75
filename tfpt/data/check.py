"""The data check: every image is read, hashed and decoded once before training, and broken ones are found.

What is decoded here is kept in memory if all of it fits, so that nothing is decoded twice. What an earlier run has
found good, and hasn't changed since, is not even read: it is decoded when it is needed.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import PIL
import tensorflow as tf

from tfpt.data.decode import resize_channels
from tfpt.data.decode_files import decode_files
from tfpt.data.file_check import CheckedFile, check_file, converted_again
from tfpt.data.held_pixels import HeldPixels, empty_pixels
from tfpt.data.known_files import KnownFiles
from tfpt.data.listing import ListedImages
from tfpt.data.quiet import quiet_libraries
from tfpt.data.source import ImageSource
from tfpt.task import LeftOut

_RESIZED_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class CheckedImages:
    """What the check found: the usable images, where each stood in the listing (int64 ``[n]``), and the others."""

    source: ImageSource
    kept: np.ndarray
    broken: tuple[LeftOut, ...]


def check_images(listed: ListedImages, image_size: int, memory_mb: int) -> CheckedImages:
    """Check every image; hold them as ``[image_size, image_size]`` pixels if all fit in ``memory_mb``.

    Raises:
        DataError: the cache of converted images can't be written.
    """
    check = _check_pixels if listed.paths is None else _check_files
    return check(listed, image_size, memory_mb)


def _check_pixels(listed: ListedImages, image_size: int, memory_mb: int) -> CheckedImages:
    pixels = listed.pixels
    assert pixels is not None
    hashes = tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in pixels)
    if _fits(len(pixels), image_size, pixels.shape[-1], memory_mb):
        pixels = _resized(pixels, image_size)
    source = ImageSource(listed.labels, listed.names, hashes, pixels=HeldPixels(pixels))
    return CheckedImages(source, np.arange(len(pixels)), ())


def _check_files(listed: ListedImages, image_size: int, memory_mb: int) -> CheckedImages:
    paths = listed.paths
    assert paths is not None
    known = KnownFiles(paths, (tf.__version__, PIL.__version__))
    hold_size = image_size if _fits(len(listed), image_size, 3, memory_mb) else None
    with quiet_libraries():
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # Pillow lets other threads run while it decodes
            files = list(pool.map(lambda path: check_file(path, known), paths))
        files, pixels = _decode(files, hold_size)
    known.save()
    kept = np.array([i for i, file in enumerate(files) if file.broken_because is None], dtype=np.int64)
    broken = tuple(LeftOut(listed.names[i], file.broken_because)
                   for i, file in enumerate(files) if file.broken_because is not None)
    source = ImageSource(labels=listed.labels, names=listed.names, hashes=tuple(file.content_hash for file in files),
                         paths=tuple(file.path for file in files),
                         pixels=None if pixels is None else HeldPixels(pixels), hold_size=hold_size)
    return CheckedImages(source.subset(kept) if broken else source, kept, broken)


def _decode(files: Sequence[CheckedFile], hold_size: int | None) -> tuple[list[CheckedFile], np.ndarray | None]:
    """Decode what is new, or everything if that is most of it: its pixels are then those to be held."""
    whole = [index for index, file in enumerate(files) if file.broken_because is None]
    new = [index for index in whole if not files[index].is_known]
    holds = hold_size is not None and 2 * len(new) > len(whole)
    tried = whole if holds else new
    decoded, some_pixels = decode_files([files[index].path for index in tried], hold_size if holds else None)
    checked = list(files)
    for place, index in enumerate(tried):
        if not decoded[place]:
            checked[index] = converted_again(files[index])
            if some_pixels is not None and checked[index].broken_because is None:
                some_pixels[place] = decode_files([checked[index].path], hold_size)[1]
        if checked[index].broken_because is None:
            checked[index].remember()
    if some_pixels is None or len(tried) == len(files):
        return checked, some_pixels
    pixels = empty_pixels((len(files), *some_pixels.shape[1:]))  # those of broken files are left out afterwards
    pixels[tried] = some_pixels
    return checked, pixels


def _fits(count: int, image_size: int, channels: int, memory_mb: int) -> bool:
    return count * image_size * image_size * channels <= memory_mb * 2**20


def _resized(pixels: np.ndarray, image_size: int) -> np.ndarray:
    """uint8 ``[n, image_size, image_size, channels]``."""
    resized = np.empty((len(pixels), image_size, image_size, pixels.shape[-1]), np.uint8)

    def resize(start: int) -> None:
        piece = slice(start, start + _RESIZED_AT_ONCE)
        resized[piece] = resize_channels(pixels[piece], image_size).numpy()

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(resize, range(0, len(pixels), _RESIZED_AT_ONCE)))
    return resized
