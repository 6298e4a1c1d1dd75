"""The process that makes the workers: it loads what they need once, and forks. It sees no image itself.

A worker, also one in the place of another that died, is there in some hundredths of a second.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import sys
from multiprocessing.connection import Connection

from tfpt.data.graph_decoder import load_library
from tfpt.data.image_worker import live_alone, work

MESSAGE = struct.Struct("!q")
START = 0
"""Asks for a worker, with the descriptor of a connection to it; any other number is a worker's to be waited for."""


def serve(descriptor: int, parent: int, libraries: str, pixels: int | None) -> None:
    """Make workers, which write to the file of the descriptor ``pixels``, answering with their process ids,
    and say with what code they ended; until nobody asks.
    """
    live_alone()
    if os.getppid() != parent:  # it had ended before that was looked out for
        return
    control = socket.socket(fileno=descriptor)
    # macOS doesn't bear a fork of what its own libraries have begun: there each worker loads them for itself.
    library = _library(libraries) if sys.platform == "linux" else None
    children: set[int] = set()
    with contextlib.suppress(ConnectionError):
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, MESSAGE.size, 1)
            if not message:
                break
            (number,) = MESSAGE.unpack(message)
            if number == START:
                answer = os.fork()
                if not answer:
                    control.close()
                    _work(descriptors[0], library or _library(libraries), pixels)
                os.close(descriptors[0])
                children.add(answer)
            else:
                answer = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
                children.discard(number)
            control.sendall(MESSAGE.pack(answer))
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _work(descriptor: int, library: ctypes.CDLL | None, pixels: int | None) -> None:
    """Never returns."""
    code = 1
    try:
        work(Connection(descriptor), library, pixels)
        code = 0
    finally:
        os._exit(code)  # without Python's and TensorFlow's farewells, of which there are many


def _library(paths: str) -> ctypes.CDLL | None:
    try:
        return load_library(json.loads(paths))
    except (OSError, AttributeError):  # a TensorFlow that was built in another way
        return None
