"""What stands for images that harm their decoder: wrappers for ``WorkerSettings``, which run in the worker.

And one real image that asks for gigabytes, though its header says 100 x 100 pixels.
"""

import os
import re
import signal
import struct
import time
import zlib
from pathlib import Path


def by_name(check):
    """A file's name says what comes of a look at it."""
    def harmful(request):
        path = Path(request.path)
        path.with_suffix(".pid").write_text(f"{os.getpid()} {os.getppid()}")
        kind = path.stem.partition("-")[0]
        if kind == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if kind == "exit":
            os._exit(3)
        if kind == "greedy":
            taken = []
            while True:
                taken.append(bytearray(2**20))
        if kind == "busy":
            re.match("(a+)+$", "a" * 60 + "b")  # takes years, and lets no other Python thread run
        if kind == "asleep":
            time.sleep(600)
        if kind == "unlucky" and not path.with_suffix(".tried").exists():
            path.with_suffix(".tried").touch()
            os.abort()
        return check(request)

    return harmful


def by_contents(check):
    """What a record holds says it: it has no name of its own."""
    def harmful(request):
        if request.contents == b"segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        return check(request)

    return harmful


def broken_wrapper(check):
    """A mistake of ours, not of an image."""
    raise LookupError("no such check")


def tiff_bomb(side: int = 40_000) -> bytes:
    """A TIFF of 100 x 100 pixels in one compressed tile, whose own size is ``side`` x ``side``."""
    tile = zlib.compress(bytes(1000))
    tags = [(256, 100), (257, 100), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side),
            (324, 0), (325, len(tile))]
    begin = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, begin if tag == 324 else value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + tile
