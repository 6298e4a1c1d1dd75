"""Decoded images in memory that other processes write to: a pipe would cost a fifth of the decoding."""

import math
import mmap
import os
import tempfile
from typing import IO

import numpy as np


class SharedPixels:
    """``array``, uint8 and of ``shape``, zeros at first. ``file`` is for who else is to write to it."""

    def __init__(self, shape: tuple[int, ...]):
        size = math.prod(shape)
        self.file: IO[bytes] = (os.fdopen(os.memfd_create("tfpt pixels"), "r+b") if hasattr(os, "memfd_create")
                                else tempfile.TemporaryFile())
        self.file.truncate(size)
        self.row_bytes = size // shape[0]
        # Pages begin where TensorFlow can share memory (held_pixels.py).
        self.array = np.frombuffer(mmap.mmap(self.file.fileno(), size), np.uint8).reshape(shape)
