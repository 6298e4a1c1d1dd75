"""The process around a run: a quiet TensorFlow, seeds and determinism, devices, versions, stop signals.

Importing this module imports no TensorFlow; the functions that need it do.
"""

import contextlib
import gc
import hashlib
import importlib.metadata
import logging
import os
import platform
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from tfpt import __version__
from tfpt.errors import Interrupted

STEP_LOOP = "tf.range in a tf.function"
"""How training/steps.py runs its steps: another form of the same loop gives other last bits."""

REPORTED_PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "scikit-learn", "tensorboard", "keras-tuner",
                     "tensorflow-datasets")


def quiet_tensorflow(own_process: bool = False) -> None:
    """Imports TensorFlow without its start-up chatter. If the import fails, what it said is shown and raised.

    In an ``own_process``, where nobody else's objects are, what was imported is left out of garbage collection for
    good: looking through a million objects takes a third of a second, many times in a training.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if os.path.expanduser("~") == "~":  # there is no home, and Keras would make a folder of that name here
        os.environ.setdefault("KERAS_HOME", os.path.join(os.devnull, "keras"))
    if "tensorflow" not in sys.modules:
        # TensorFlow's C++ side writes to the file descriptor before any log level is looked at.
        with _stderr_shown_on_failure(), _no_garbage_collection():
            import tensorflow  # noqa: F401
    if own_process:
        gc.freeze()
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)


def configure(seed: int, precision: str) -> None:
    """Makes what follows a function of ``seed``, deterministic, at Keras dtype policy ``precision``.

    Call it before the first tensor is made. XLA is never switched on: it is many times slower for depthwise
    convolutions.
    """
    quiet_tensorflow()
    import keras
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        # Fails if the GPU is in use already, which a second run in one process may find; growth is then set.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(precision)


def environment() -> dict[str, Any]:
    """What decides the bits of a result beside code, config and data; ``--resume`` compares it."""
    quiet_tensorflow()
    import keras
    import numpy
    import tensorflow as tf

    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": numpy.__version__,
        "intra_op_threads": _intra_op_threads(tf.config.threading.get_intra_op_parallelism_threads()),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") not in ("0", "false", "False"),
        "op_determinism": True,  # configure() switches it on, and TensorFlow has no public way to ask
        "step_loop": STEP_LOOP,
        "devices": devices(),
    }


def cpu_features() -> str:
    """The processor's kind and instruction set, as far as the system tells: kernels are chosen by it."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith(("flags", "Features")):
                return f"{platform.machine()} {hashlib.sha256(line.encode()).hexdigest()[:16]}"
    return f"{platform.machine()} {platform.processor()}"


def versions() -> dict[str, str]:
    """The installed versions of tfpt and of what it stands on, without importing any."""
    found = {"tfpt": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for package in REPORTED_PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def devices() -> list[str]:
    """The devices that TensorFlow uses, such as ``["CPU:0", "GPU:0 NVIDIA L4"]``."""
    quiet_tensorflow()
    import tensorflow as tf

    names = []
    for device in tf.config.list_physical_devices():
        details = tf.config.experimental.get_device_details(device) if device.device_type == "GPU" else {}
        name = device.name.removeprefix("/physical_device:")
        names.append(f"{name} {details.get('device_name', '')}".strip())
    return names


class StopSignals:
    """Within it, a first SIGINT or SIGTERM is only noted, so that the loop can save and stop. While ``at_once`` is
    True, for as long as a process only waits, it raises Interrupted.

    ``received`` is the signal's number or None. SIGINT after a noted signal raises KeyboardInterrupt at once.
    Outside the main thread, where Python allows no handlers, it does nothing; a signal that the parent process
    had ignored (``nohup``) stays ignored.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.at_once = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                previous = signal.getsignal(number)
                if previous not in (signal.SIG_IGN, None):
                    self._previous[number] = previous
                    signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or number
        if self.at_once:
            raise Interrupted(f"Stopped by signal {number}.", 128 + number)


def _intra_op_threads(configured: int) -> int:
    """The effective number: TensorFlow's setting, else its environment variable, else the cores it may use."""
    from_environment = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if configured == 0 and from_environment.isdigit():
        configured = int(from_environment)
    if configured:
        return configured
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """For an import of a million objects, none of which is garbage: looking for it takes a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextlib.contextmanager
def _stderr_shown_on_failure() -> Iterator[None]:
    """Keeps what is written to file descriptor 2, and writes it there after all if the body raises."""
    sys.stderr.flush()
    try:
        original = os.dup(2)
    except OSError:  # stderr is closed: nothing to silence
        yield
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except Exception:
            kept.seek(0)
            os.write(original, kept.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
