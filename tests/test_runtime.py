import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tfpt import __version__, runtime


CHECKOUT = Path(runtime.__file__).parents[1]


def child(code, **environment):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})


@pytest.fixture
def handlers():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.fixture(autouse=True)
def heeded_interrupts():
    """A test run in the background of a script inherits an ignored SIGINT, which StopSignals rightly leaves ignored."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_a_second_interrupt_raises(handlers, number):
    with runtime.StopSignals() as signals:
        assert signals.received is None
        os.kill(os.getpid(), number)
        assert signals.received == number
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            signal.sigtimedwait([], 1)
        assert signals.received == number


def test_a_second_terminate_is_only_noted(handlers):
    with runtime.StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == signal.SIGINT


def test_handlers_come_back_after_an_error_and_ignored_signals_stay_ignored(handlers):
    with pytest.raises(ZeroDivisionError), runtime.StopSignals():
        raise ZeroDivisionError
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with runtime.StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.received is None
    finally:
        signal.signal(signal.SIGINT, previous)


def test_in_another_thread_it_does_nothing(handlers):
    seen = []

    def body():
        with runtime.StopSignals() as signals:
            seen.append((signals.received, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [(None, handlers[0])]


def test_versions_need_no_tensorflow():
    done = child("import sys; from tfpt import runtime; v = runtime.versions(); print(v['tensorflow'], v['tfpt']);"
                 "sys.exit('tensorflow' in sys.modules or 'numpy' in sys.modules)")
    assert done.returncode == 0 and done.stdout.split()[1] == __version__


def test_a_failing_import_shows_what_was_said_and_its_own_error(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os\nos.write(2, b'loader says why\\n')\nraise ImportError('no AVX')\n")
    done = child("from tfpt import runtime; runtime.quiet_tensorflow()", PYTHONPATH=f"{tmp_path}:{CHECKOUT}")
    assert done.returncode == 1
    assert "loader says why" in done.stderr and "ImportError: no AVX" in done.stderr


def test_the_chatter_of_an_import_that_works_is_dropped_and_stderr_comes_back(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import os\nos.write(2, b'chatter\\n')\n")
    done = child("import os; from tfpt import runtime; runtime.quiet_tensorflow(); os.write(2, b'after')",
                 PYTHONPATH=f"{tmp_path}:{CHECKOUT}")
    assert done.stderr == "after"


@pytest.mark.parametrize(("configured", "variable", "expected"), [(3, "2", 3), (0, "2", 2), (0, "", None)])
def test_threads_are_the_effective_number(monkeypatch, configured, variable, expected):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", variable)
    assert runtime._intra_op_threads(configured) == (expected or len(os.sched_getaffinity(0)))


REAL = """
from tfpt import runtime
import json
runtime.configure(7, "float32")
import keras
import tensorflow as tf
first = keras.random.uniform([2]).numpy().tolist()
runtime.configure(7, "mixed_bfloat16")
print(json.dumps([first == keras.random.uniform([2]).numpy().tolist(), keras.config.dtype_policy().name,
                  runtime.environment()]))
try:
    tf.raw_ops.RandomUniform(shape=[1], dtype=tf.float32)
except tf.errors.InvalidArgumentError as error:
    print("refused")
"""


def test_configured_processes_are_seeded_deterministic_and_silent():
    done = child(REAL, TF_ENABLE_ONEDNN_OPTS="0")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    configured, unseeded = done.stdout.splitlines()
    same, policy, environment = json.loads(configured)
    assert unseeded == "refused" and same and policy == "mixed_bfloat16"
    assert environment["onednn"] is False and environment["op_determinism"] is True
    assert environment["intra_op_threads"] >= 1 and "CPU:0" in environment["devices"]
    assert {"tensorflow", "keras", "numpy"} < set(environment)
