"""The data check: every image is read, hashed and decoded once before training, and broken ones are found.

What is decoded is kept in memory if all of it fits, so that nothing is decoded twice. What an earlier run has
found good, and hasn't changed since, is not even read: it is decoded when it is needed.
"""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import PIL
import tensorflow as tf

from tfpt.data.decode import resize_channels
from tfpt.data.decode_graph import decode_graph
from tfpt.data.file_check import CheckedFile
from tfpt.data.found_file import FoundFile, find_file
from tfpt.data.found_record import FoundRecords
from tfpt.data.held_pixels import HeldPixels
from tfpt.data.image_workers import ImageWorkers, WorkerSettings
from tfpt.data.known_files import KnownFiles
from tfpt.data.listing import ListedImages
from tfpt.data.normalise import normalised_path
from tfpt.data.shared_pixels import SharedPixels
from tfpt.data.source import ImageSource
from tfpt.data.tfds.record_images import RecordImages
from tfpt.task import LeftOut

_RESIZED_AT_ONCE = 256
_ASKED_AT_ONCE = 4096
"""What waits for a worker takes memory."""
_FILES_WORTH_A_WORKER = 4
"""Beginning one takes as long as decoding these, if they are photos."""


@dataclass(frozen=True, eq=False)
class CheckedImages:
    """What the check found: the usable images, where each stood in the listing (int64 ``[n]``), and the others."""

    source: ImageSource
    kept: np.ndarray
    broken: tuple[LeftOut, ...]


def check_images(listed: ListedImages, image_size: int, memory_mb: int,
                 settings: WorkerSettings = WorkerSettings()) -> CheckedImages:
    """Check every image; hold them as ``[image_size, image_size]`` pixels if all fit in ``memory_mb``.

    Files and records are decoded in other processes: this one sees what has passed there.

    Raises:
        DataError: the cache of converted images can't be written, no process be started, or a record not be read.
    """
    if listed.records is not None:
        return _check_records(listed, listed.records, image_size, memory_mb, settings)
    if listed.paths is not None:
        return _check_files(listed, listed.paths, image_size, memory_mb, settings)
    return _check_pixels(listed, image_size, memory_mb)


def _check_pixels(listed: ListedImages, image_size: int, memory_mb: int) -> CheckedImages:
    pixels = listed.pixels
    assert pixels is not None
    hashes = tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in pixels)
    if _fits(len(pixels), image_size, pixels.shape[-1], memory_mb):
        pixels = _resized(pixels, image_size)
    source = ImageSource(listed.labels, listed.names, hashes, pixels=HeldPixels(pixels))
    return CheckedImages(source, np.arange(len(pixels)), ())


def _check_files(listed: ListedImages, paths: Sequence[str], image_size: int, memory_mb: int,
                 settings: WorkerSettings) -> CheckedImages:
    known = KnownFiles(paths, (tf.__version__, PIL.__version__))
    hold_size = image_size if _fits(len(listed), image_size, 3, memory_mb) else None
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = list(pool.map(lambda path: find_file(path, known), paths))
    files, pixels = _decode(found, hold_size, settings)
    for before, file in zip(found, files, strict=True):
        if before.status is not None and file.broken_because is None:
            known.remember(before.path, before.status, before.looked_at, file.content_hash, file.converted)
    known.save()
    source = ImageSource(labels=listed.labels, names=listed.names, hashes=tuple(file.content_hash for file in files),
                         paths=tuple(str(normalised_path(file.content_hash)) if file.converted else path
                                     for path, file in zip(paths, files, strict=True)),
                         pixels=None if pixels is None else HeldPixels(pixels), hold_size=hold_size)
    return _without_broken(source, files)


def _check_records(listed: ListedImages, records: RecordImages, image_size: int, memory_mb: int,
                   settings: WorkerSettings) -> CheckedImages:
    hold_size = image_size if _fits(len(listed), image_size, 3, memory_mb) else None
    files, pixels = _decode(FoundRecords(records), hold_size, settings)
    for index, file in enumerate(files):
        if file.broken_because is None:
            records.remember(index, file.content_hash, file.converted)
    records.save()
    source = ImageSource(labels=listed.labels, names=listed.names, hashes=tuple(file.content_hash for file in files),
                         records=records, pixels=None if pixels is None else HeldPixels(pixels), hold_size=hold_size)
    return _without_broken(source, files)


def _without_broken(source: ImageSource, files: Sequence[CheckedFile]) -> CheckedImages:
    kept = np.array([i for i, file in enumerate(files) if file.broken_because is None], dtype=np.int64)
    broken = tuple(LeftOut(source.names[i], file.broken_because)
                   for i, file in enumerate(files) if file.broken_because is not None)
    return CheckedImages(source.subset(kept) if broken else source, kept, broken)


def _decode(found: Sequence[FoundFile] | FoundRecords, hold_size: int | None,
            settings: WorkerSettings) -> tuple[list[CheckedFile], np.ndarray | None]:
    """Decode what is new, or everything if that is most of it: its pixels are then those to be held."""
    whole = [index for index in range(len(found)) if found[index].may_be_whole]
    new = [index for index in whole if found[index].is_new]
    pixels = _pixels_for(len(found), hold_size) if 2 * len(new) > len(whole) else None
    size = None if pixels is None else hold_size
    tried = new if size is None else whole
    checked = [found[index].unchecked() for index in range(len(found))]
    if not tried:
        return checked, None
    count = min(os.cpu_count() or 1, -(-len(tried) // _FILES_WORTH_A_WORKER))

    def check(index: int) -> CheckedFile:
        return workers.check(found[index].request, found[index].size_bytes, index)

    # The threads end after the workers, on which they wait.
    with (ThreadPoolExecutor(count) as pool,
          ImageWorkers(count, lambda: decode_graph(size), settings, pixels) as workers):
        for first in range(0, len(tried), _ASKED_AT_ONCE):
            asked = tried[first:first + _ASKED_AT_ONCE]
            for index, file in zip(asked, pool.map(check, asked), strict=True):
                checked[index] = file
    if pixels is None:
        return checked, None
    pixels.file.close()
    return checked, pixels.array


def _pixels_for(count: int, image_size: int | None) -> SharedPixels | None:
    """None: they aren't to be held, or can't be, where no file may be so large, not even one in memory."""
    if image_size is None:
        return None
    with contextlib.suppress(OSError):
        return SharedPixels((count, image_size, image_size, 3))
    return None


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
