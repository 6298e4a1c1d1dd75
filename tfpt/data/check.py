"""The data check: every image is read, hashed and decoded once before training, and broken ones are found.

What is decoded here is kept in memory if all of it fits, so that nothing is decoded twice.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpt.data.cache_directory import mark_used
from tfpt.data.decode import decode_and_resize, decode_image, resize_channels
from tfpt.data.header import BrokenImage, graph_reads, open_header
from tfpt.data.listing import ListedImages
from tfpt.data.normalise import normalised_path, normalised_png
from tfpt.data.quiet import quiet_libraries
from tfpt.data.source import ImageSource
from tfpt.task import LeftOut

_MAX_FILE_BYTES = 1 << 30
_RESIZED_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class CheckedImages:
    """What the check found: the usable images, where each stood in the listing (int64 ``[n]``), and the others."""

    source: ImageSource
    kept: np.ndarray
    broken: tuple[LeftOut, ...]


@dataclass(frozen=True)
class _CheckedFile:
    content_hash: str = ""
    path: str = ""
    broken_because: str | None = None


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
    source = ImageSource(listed.labels, listed.names, hashes, pixels=pixels)
    return CheckedImages(source, np.arange(len(pixels)), ())


def _check_files(listed: ListedImages, image_size: int, memory_mb: int) -> CheckedImages:
    paths, count = listed.paths, len(listed)
    assert paths is not None
    held = np.empty((count, image_size, image_size, 3), np.uint8) if _fits(count, image_size, 3, memory_mb) else None

    def check(index: int) -> _CheckedFile:
        return _check_file(paths[index], image_size, None if held is None else held[index])

    # TensorFlow and Pillow let other threads run while they decode.
    with quiet_libraries(), ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        checked = list(pool.map(check, range(count)))
    kept = np.array([i for i, file in enumerate(checked) if file.broken_because is None], dtype=np.int64)
    broken = tuple(LeftOut(listed.names[i], file.broken_because)
                   for i, file in enumerate(checked) if file.broken_because is not None)
    source = ImageSource(labels=listed.labels, names=listed.names, pixels=held,
                         hashes=tuple(file.content_hash for file in checked),
                         paths=tuple(file.path for file in checked))
    return CheckedImages(source.subset(kept) if broken else source, kept, broken)


def _check_file(path: str, image_size: int, held: np.ndarray | None) -> _CheckedFile:
    """Read, hash and decode one file; ``held`` receives its pixels, uint8 ``[image_size, image_size, 3]``."""
    try:
        contents = _read(path)
        content_hash = hashlib.sha256(contents).hexdigest()
        image = open_header(contents)
        if graph_reads(contents, image):
            _decode(contents, image_size, held)
            return _CheckedFile(content_hash, path)
        # The converted file may be there from an earlier run; if it is damaged it is made again.
        prepared = normalised_path(content_hash)
        try:
            _decode(prepared.read_bytes(), image_size, held)
            mark_used(prepared)  # `tfpt cache clear` leaves what a run of today may still be reading
        except (OSError, BrokenImage):
            prepared = normalised_png(image, content_hash)
            _decode(prepared.read_bytes(), image_size, held)
        return _CheckedFile(content_hash, str(prepared))
    except BrokenImage as broken:
        return _CheckedFile(broken_because=str(broken))


def _read(path: str) -> bytes:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise BrokenImage("not a regular file")
        if status.st_size > _MAX_FILE_BYTES:
            raise BrokenImage("larger than 1 GiB")
        return Path(path).read_bytes()
    except OSError as error:
        missing_target = os.path.islink(path) and not os.path.exists(path)
        why = "a link to a file that isn't there" if missing_target else f"can't be read: {error.strerror or error}"
        raise BrokenImage(why) from error


def _decode(contents: bytes, image_size: int, held: np.ndarray | None) -> None:
    try:
        if held is None:
            decode_image(tf.constant(contents))
        else:
            held[:] = _decoder(image_size)(tf.constant(contents)).numpy()
    except tf.errors.OpError as error:
        raise BrokenImage("truncated or damaged: its pixels can't be decoded") from error


@cache
def _decoder(image_size: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """``decode_and_resize`` as one call: a quarter faster than op by op, which holds Python's lock between the ops."""
    return tf.function(lambda contents: decode_and_resize(contents, image_size), autograph=False,
                       input_signature=[tf.TensorSpec([], tf.string)])


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
