"""The workers as the process that asks them sees them: making them, asking, and what became of them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import Pipe
from typing import Any

from tfpt.data.file_check import CheckedFile
from tfpt.data.shared_pixels import SharedPixels
from tfpt.data.worker_nursery import MESSAGE, START
from tfpt.errors import DataError

_END_SECONDS = 5
CODE = """import json, sys
sys.path[:] = json.loads(sys.argv[1])
from tfpt.data.worker_nursery import serve
serve(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], json.loads(sys.argv[5]))
"""
"""What the nursery runs."""


class WorkerDied(Exception):
    """A worker has, with ``exit_code``, which is a signal's number below zero."""

    def __init__(self, exit_code: int):
        self.exit_code = exit_code
        super().__init__(f"a worker ended with exit code {exit_code}")


class Nursery:
    """The process that makes workers. They end with it."""

    def __init__(self, libraries: Sequence[str], pixels: SharedPixels | None):
        """Returns before it is ready. Raises DataError: it can't be started."""
        self._control, others = socket.socketpair()
        self._lock = threading.Lock()
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        shared = [] if pixels is None else [pixels.file.fileno()]
        arguments = [json.dumps(sys.path), str(others.fileno()), str(os.getpid()), json.dumps(libraries),
                     json.dumps(shared[0] if shared else None)]
        try:
            # multiprocessing's spawn would run the user's script again. -P: no modules of the working directory. A
            # session of its own: Ctrl-C is for this process alone.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", CODE, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, pass_fds=[others.fileno(), *shared], env=environment, start_new_session=True)
        except OSError as error:
            self._control.close()
            raise _no_worker(error.strerror or str(error)) from error
        finally:
            others.close()

    def worker(self, setup: Mapping[str, Any]) -> "Worker":
        """A new one, which has yet to decode by ``setup``. DataError: there is none to be had."""
        connection, others = Pipe()
        with others:
            process_id = self._ask(START, [others.fileno()])
        if process_id is None:
            raise _no_worker("the one that makes them ended before")
        return Worker(self, connection, process_id, setup)

    def exit_code(self, process_id: int) -> int:
        """That of a worker which has ended."""
        code = self._ask(process_id, [])
        return -signal.SIGKILL if code is None else code  # all have ended with the nursery

    def close(self) -> None:
        """End all workers, whatever they are at."""
        with contextlib.suppress(OSError):  # it has ended before
            self._control.shutdown(socket.SHUT_RDWR)  # wakes who waits for an answer too
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with self._lock:
            self._control.close()

    def _ask(self, number: int, descriptors: Sequence[int]) -> int | None:
        """None: nobody answers."""
        with self._lock:
            try:
                socket.send_fds(self._control, [MESSAGE.pack(number)], descriptors)
                answer = self._control.recv(MESSAGE.size, socket.MSG_WAITALL)
            except OSError:
                return None
        return int(MESSAGE.unpack(answer)[0]) if len(answer) == MESSAGE.size else None


class Worker:
    """One process that checks files, and the connection to it."""

    def __init__(self, nursery: Nursery, connection: Any, process_id: int, setup: Mapping[str, Any]):
        """Waits until it is ready. Raises DataError: it can't decode at all."""
        self._nursery, self._connection, self._process_id = nursery, connection, process_id
        try:
            self._ask(setup)
        except WorkerDied as died:
            raise _no_worker(f"one ended at once, with exit code {died.exit_code}") from died

    def check(self, request: Mapping[str, Any]) -> CheckedFile:
        """The fields of a ``FileRequest``, with the limits and the place of the pixels.

        Raises:
            WorkerDied: it did.
            DataError: the cache of converted images can't be written.
        """
        contents = request["contents"]
        answer = self._ask({**request, "contents": contents is not None}, contents)
        if "data_error" in answer:
            raise DataError(answer["data_error"])
        return CheckedFile(**answer)

    def _ask(self, request: Mapping[str, Any], contents: bytes | None = None) -> dict[str, Any]:
        try:
            self._connection.send_bytes(json.dumps(request).encode())
            if contents is not None:
                self._connection.send_bytes(contents)
            answer: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except (EOFError, ConnectionError) as error:
            raise WorkerDied(self._nursery.exit_code(self._process_id)) from error
        if "bug" in answer:
            raise RuntimeError(f"in a process that decodes images:\n{answer['bug']}")
        return answer


def _no_worker(why: str) -> DataError:
    return DataError(f"Images are decoded in processes of their own, and none can be started: {why}. Most often memory "
                     "or the number of processes is short: make room.")
