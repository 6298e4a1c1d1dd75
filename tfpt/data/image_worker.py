"""The process in which images from outside are decoded: one after the other, each within limits of time and memory.

What damages, fills or hangs it takes no more than itself. ``worker_nursery.py`` makes it, ``image_workers.py`` asks it.
"""

import base64
import contextlib
import ctypes
import importlib
import json
import mmap
import os
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from tfpt.data.file_check import FileChecker, FileRequest, file_checker
from tfpt.data.graph_decoder import GraphDecoder
from tfpt.errors import DataError

OUT_OF_MEMORY = 77
"""The exit code of a worker whose image needed more than its limit."""

_PR_SET_PDEATHSIG = 1


def work(connection: Connection, library: ctypes.CDLL | None, pixels: int | None) -> None:
    """Answer requests, JSON over a connection, after a first one that says what to decode by (``open_checker``).

    They are ``FileRequest``'s fields with ``seconds``, ``memory_bytes`` and ``offset``: where in the file of the
    descriptor ``pixels`` the image's are to be written, if anywhere. ``contents`` says whether these follow by
    themselves. Answered are ``CheckedFile``'s fields; or ``data_error``, or ``bug``.
    """
    live_alone()
    with contextlib.suppress(EOFError, ConnectionError):  # whoever asks has ended
        try:
            check = open_checker(library, **json.loads(connection.recv_bytes()))
        except Exception:
            connection.send_bytes(json.dumps({"bug": traceback.format_exc()}).encode())
            return
        connection.send_bytes(b"{}")
        memory = None if pixels is None else mmap.mmap(pixels, 0)
        own_bytes = _address_space()
        while True:
            request = json.loads(connection.recv_bytes())
            contents = connection.recv_bytes() if request.pop("contents") else None
            _limit_memory(own_bytes, request.pop("memory_bytes"))
            signal.setitimer(signal.ITIMER_REAL, request.pop("seconds"))
            offset = request.pop("offset")
            answer, decoded = _answer(check, FileRequest(**request, contents=contents))
            signal.setitimer(signal.ITIMER_REAL, 0)
            if memory is not None:
                memory[offset:offset + len(decoded)] = decoded
            connection.send_bytes(json.dumps(answer).encode())


def open_checker(library: ctypes.CDLL | None, graph: str, session: str, wrapper: str | None) -> FileChecker:
    """The check by the decoder in ``graph``; ``wrapper``, as ``module:function``, may make another of it."""
    parts = base64.b64decode(graph), base64.b64decode(session)
    decode: Callable[[bytes], bytes]
    if library is not None:
        decode = GraphDecoder(library, *parts)
    else:
        from tfpt.data.imported_decoder import imported_decoder

        decode = imported_decoder(*parts)
    if wrapper is None:
        return file_checker(decode)
    module, _, function = wrapper.partition(":")
    checker: FileChecker = getattr(importlib.import_module(module), function)(file_checker(decode))
    return checker


def live_alone() -> None:
    """No chatter, no core dumps, no Ctrl-C, and no life after the parent's."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The kernel ends the process, whatever it is at; that the parent ignores or blocks the signal is inherited.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere the end of the connection does it, once the image is done or out of time
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _answer(check: FileChecker, request: FileRequest) -> tuple[dict[str, Any], bytes]:
    try:
        checked, pixels = check(request)
        return asdict(checked), pixels
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # what is left of the memory, and of the libraries' state, nobody knows
    except DataError as error:
        return {"data_error": str(error)}, b""
    except Exception:
        return {"bug": traceback.format_exc()}, b""


def _address_space() -> int | None:
    """What the process takes, in bytes; None where the system doesn't tell (macOS), which has no limit of it either."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return None


def _limit_memory(own_bytes: int | None, more_bytes: int) -> None:
    if own_bytes is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = own_bytes + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
