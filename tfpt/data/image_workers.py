"""Images from outside are checked and decoded in other processes, so that what one does to its decoder stays there.

A worker lives as long as its images are harmless. Where one dies, the image that it was at is tried once more in a new
one, as what killed it may have come from the images before; then it is said to be the cause.
"""

import base64
import contextlib
import queue
import signal
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import asdict, dataclass

from tfpt.data.decode_graph import DecodeGraph, tensorflow_libraries
from tfpt.data.file_check import CheckedFile, FileRequest
from tfpt.data.header import MAX_PIXELS
from tfpt.data.image_worker import OUT_OF_MEMORY
from tfpt.data.shared_pixels import SharedPixels
from tfpt.data.worker_process import Nursery, Worker, WorkerDied

_BYTES_PER_SECOND = 4e6


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker may take for one image: ``seconds``, to which the time to read a large file slowly is added, and
    ``memory_bytes`` beyond what it has before, to which four times the file's size is added.

    ``wrapper``: ``module:function``, called in the worker with its ``FileChecker``, to use another.
    ``libraries``: TensorFlow's; without them its Python is imported, which takes seconds.
    """

    seconds: float = 60.0
    # The largest image in 32 bits, eight times: WebP with alpha takes six (the decoder, its answer, RGBA, RGB).
    memory_bytes: int = 32 * MAX_PIXELS
    wrapper: str | None = None
    libraries: tuple[str, ...] = tensorflow_libraries()


class ImageWorkers:
    """``count`` processes, which may be asked from as many threads. They end with the context."""

    def __init__(self, count: int, make_graph: Callable[[], DecodeGraph], settings: WorkerSettings,
                 pixels: SharedPixels | None = None):
        """``make_graph`` is called while they start; ``pixels`` are where the results of its graph are put.

        Raises:
            DataError: they can't be started.
        """
        self._settings, self._pixels, self._is_closed = settings, pixels, False
        self._nursery = Nursery(settings.libraries, pixels)
        try:
            made = make_graph()
        except BaseException:
            self._nursery.close()
            raise
        self._setup = {"graph": base64.b64encode(made.graph).decode(),
                       "session": base64.b64encode(made.session).decode(), "wrapper": settings.wrapper}
        self._idle: queue.SimpleQueue[Worker | None] = queue.SimpleQueue()
        for _ in range(count):
            self._idle.put(None)  # to be made

    def __enter__(self) -> "ImageWorkers":
        return self

    def __exit__(self, *_: object) -> None:
        """End them, whatever they are at. Calls of ``check`` that wait for them raise an error."""
        self._is_closed = True
        self._nursery.close()

    def check(self, request: FileRequest, file_bytes: int, row: int) -> CheckedFile:
        """Check a file, and put its pixels, if it is whole, in a row of those that are shared.

        Raises:
            DataError: the cache of converted images can't be written, or no worker be started.
        """
        others = {"offset": 0 if self._pixels is None else row * self._pixels.row_bytes,
                  "seconds": self._settings.seconds + file_bytes / _BYTES_PER_SECOND,
                  "memory_bytes": self._settings.memory_bytes + 4 * file_bytes}
        worker = self._idle.get()
        try:
            for is_last in (False, True):
                try:
                    worker = worker or self._nursery.worker(self._setup)
                    return worker.check({**asdict(request), **others})
                except WorkerDied as died:
                    worker = None
                    if self._is_closed:
                        raise CancelledError from died
                    if is_last or died.exit_code in _CERTAIN:
                        return CheckedFile(broken_because=_why(died.exit_code))
            raise AssertionError("the last try has returned")
        finally:
            self._idle.put(worker)


_CERTAIN = {-signal.SIGALRM: "takes too long to decode",
            OUT_OF_MEMORY: "takes more memory to decode than any allowed image should"}
"""Ends that the limits have brought about: a second try would come to the same."""


def _why(exit_code: int) -> str:
    if exit_code in _CERTAIN:
        return _CERTAIN[exit_code]
    name = f"exit code {exit_code}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-exit_code).name
    return f"its decoder crashed ({name})"
