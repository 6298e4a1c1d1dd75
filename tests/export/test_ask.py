"""Real processes: loaders that answer, fail, die, hang, and end with the one that asked."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tfpt
from tests.export.signatures import TYPES, endless, picture, random_values, save, save_identity
from tests.processes import heed_interrupts
from tfpt.errors import CheckFailed, ExportError
from tfpt.export import ask
from tfpt.export.ask import Loader, ask_cpp, ask_python, cpp_loader_available, telling_line, text_op_libraries
from tfpt.export.exchange import write_batches

CHECKOUT = Path(tfpt.__file__).parents[1]
FLOATS = tf.TensorSpec([None], tf.float32)
DEADLINE_SECONDS = 120
both = pytest.mark.parametrize("ask_export", [ask_python, ask_cpp])


@pytest.fixture(scope="module")
def failing(tmp_path_factory) -> Path:
    def positive(x):
        with tf.control_dependencies([tf.debugging.assert_positive(x, "x has to be positive")]):
            return {"y": tf.identity(x)}

    return save(tmp_path_factory.mktemp("failing") / "1", positive=(positive, FLOATS), endless=(endless, FLOATS),
                python=(lambda x: {"y": tf.py_function(lambda value: value, [x], tf.float32)}, FLOATS),
                as_many=(lambda x: {"y": tf.zeros([1, tf.size(x)])}, FLOATS))


@both
def test_answers_of_all_batches_in_order(ask_export, small_export, tmp_path):
    files = [picture(20), picture(230), b"no picture", picture(240), b""]
    write_batches(tmp_path / "requests", [{"image_bytes": files[:2]}, {"image_bytes": []}, {"image_bytes": files[2:]}])
    answers = ask_export(small_export, "serving_default", tmp_path / "requests")
    assert answers["valid"].tolist() == [True, True, False, True, False]
    assert answers["labels"][:, 0].tolist() == [b"dark", b"light", b"", b"light", b""]
    assert answers["probabilities"].dtype == np.float32 and answers["probabilities"].shape == (5, 2)
    here = tf.saved_model.load(str(small_export)).signatures["serving_default"](image_bytes=tf.constant(files))
    np.testing.assert_allclose(answers["probabilities"], here["probabilities"], atol=1e-6)


@both
def test_every_type_comes_back_as_it_went(ask_export, tmp_path):
    directory, generator = save_identity(tmp_path / "1"), np.random.default_rng(0)
    batches = [{name: random_values(name, shape, generator) for name in TYPES} for shape in [(2, 3), (0, 3), (1, 3)]]
    answers = ask_export(directory, "serving_default", iter(batches))
    for name in TYPES:
        sent = np.concatenate([batch[name] for batch in batches])
        assert answers[name].dtype == sent.dtype and answers[name].tolist() == sent.tolist()


def test_a_scalar_is_one_row(tmp_path):
    directory = save_identity(tmp_path / "1")
    batches = [{name: random_values(name, (), np.random.default_rng(seed)) for name in TYPES} for seed in (1, 2)]
    for answers in (ask_python(directory, "serving_default", batches), ask_cpp(directory, "serving_default", batches)):
        assert answers["string"].tolist() == [batch["string"][()] for batch in batches]
        assert answers["int64"].tolist() == [int(batch["int64"]) for batch in batches]


def test_without_requests_it_is_loaded_all_the_same(small_export, tmp_path):
    assert ask_cpp(small_export, "serving_default", []) == {}
    with pytest.raises(ExportError, match="has features, pixels, pixels_uint8, serving_default"):
        ask_cpp(small_export, "other", [])
    with pytest.raises(ExportError, match="Expected a SavedModel in"):
        ask_cpp(tmp_path, "serving_default", [])


@both
def test_a_failing_call_is_told_in_a_line(ask_export, failing):
    batches = [{"x": np.ones(2, np.float32)}, {"x": -np.ones(2, np.float32)}]
    with pytest.raises(CheckFailed, match="batch 2, fails: assertion failed: .x has to be positive") as caught:
        ask_export(failing, "positive", batches)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_python_inside_is_told(failing):
    with pytest.raises(CheckFailed, match="No OpKernel was registered to support Op 'EagerPyFunc'"):
        ask_cpp(failing, "python", [{"x": np.ones(2, np.float32)}])


@pytest.mark.parametrize("batch", [{"x": np.ones(2)}, {"y": np.ones(2, np.float32)}, {"x": [b"a"]}, {}])
def test_what_the_signature_does_not_take(failing, batch):
    with pytest.raises(CheckFailed, match="it takes {'x': 'float32'}, but was given {.*}. If that"):
        ask_cpp(failing, "positive", [batch])


def test_rows_that_differ_in_shape_cannot_be_joined(failing):
    with pytest.raises(CheckFailed, match=r"found {'y': \[\(1,\), \(2,\)\]}"):
        ask_cpp(failing, "as_many", [{"x": np.ones(size, np.float32)} for size in (1, 2)])


def test_no_room_for_the_requests(small_export, monkeypatch):
    def full_disk(path, batches):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ask.exchange, "write_batches", full_disk)
    with pytest.raises(ExportError, match="No space left on device. Make room, .*TMPDIR"):
        ask_cpp(small_export, "serving_default", [])


def test_no_temporary_directory(small_export, tmp_path, monkeypatch):
    monkeypatch.setattr(ask.tempfile, "tempdir", str(tmp_path / "not there"))
    with pytest.raises(ExportError, match="No such file or directory.*TMPDIR"):
        ask_cpp(small_export, "serving_default", [])


def test_an_export_that_needs_keras_or_finds_it_there_fails(small_export, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import sys, types; sys.modules['keras'] = types.ModuleType('keras')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(CheckFailed, match="load in a fresh Python process without Keras, but: keras got imported"):
        ask_python(small_export, "serving_default", [])


def test_the_python_loader_cannot_import_tfpt_and_the_cpp_loader_no_tensorflow(small_export, tmp_path, monkeypatch):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("import tfpt")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(CHECKOUT)]))
    with pytest.raises(CheckFailed, match="import of tfpt halted"):
        ask_python(small_export, "serving_default", [])
    assert len(ask_cpp(small_export, "serving_default", [{"image_bytes": [picture(9)]}])["labels"]) == 1


def test_the_op_libraries_of_tensorflow_text(tmp_path, monkeypatch):
    (tmp_path / "tensorflow_text" / "python" / "ops").mkdir(parents=True)
    (tmp_path / "tensorflow_text" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorflow_text", raising=False)
    with pytest.raises(ExportError, match="Install the tensorflow-text"):
        text_op_libraries()
    library = tmp_path / "tensorflow_text" / "python" / "ops" / "_some.so"
    library.write_bytes(b"not a library")
    assert text_op_libraries() == [str(library)]


@both
def test_an_op_library_that_cannot_be_loaded(ask_export, small_export, tmp_path, monkeypatch):
    library = tmp_path / "some.so"
    library.write_bytes(b"not a library")
    monkeypatch.setattr(ask, "text_op_libraries", lambda: [str(library)])
    with pytest.raises(CheckFailed, match="some.so: (file too short|invalid ELF header)"):
        ask_export(small_export, "serving_default", [], text_ops=True)
    assert ask_cpp(small_export, "serving_default", []) == {}


def test_where_the_cpp_loader_is(monkeypatch):
    assert cpp_loader_available()
    monkeypatch.setattr(ask, "LIBRARIES", ("libtensorflow_framework.so.2", "libother.so"))
    assert not cpp_loader_available()


def stand_in(tmp_path: Path, monkeypatch, code: str) -> None:
    """Python code in the place of the loader."""
    script = tmp_path / "loader.py"
    script.write_text(code)
    monkeypatch.setattr(ask, "CPP_LOADER", Loader("cpp", script, "a stand-in"))


@pytest.mark.parametrize("code, message", [
    ("import os; os.abort()", "in a stand-in was ended by SIGABRT: no reason given"),
    ("import os; os.kill(os.getpid(), 9)", "ended by SIGKILL.*want of memory"),
    ("import os; os.write(2, b'WARNING: All log messages\\nF0000 00:00:17.4 31 tensor.cc:7] Check failed: a == b\\n"
     "*** stack ***\\n'); os.abort()", "ended by SIGABRT: Check failed: a == b"),
    ("raise ImportError('no such library')", "ended with exit code 1 and no answer: ImportError: no such library"),
    ("pass", "ended with exit code 0 and no answer")])
def test_a_process_that_dies(small_export, tmp_path, monkeypatch, code, message):
    stand_in(tmp_path, monkeypatch, code)
    with pytest.raises(CheckFailed, match=message):
        ask_cpp(small_export, "serving_default", [])


def test_a_process_that_hangs_is_ended(small_export, tmp_path, monkeypatch):
    monkeypatch.setattr(ask, "STALL_SECONDS", 1)
    stand_in(tmp_path, monkeypatch, f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
                                    f"time.sleep({DEADLINE_SECONDS})")
    with pytest.raises(CheckFailed, match="none came within 1 seconds"):
        ask_cpp(small_export, "serving_default", [])
    assert not (tmp_path / "pid").exists() or not alive(int((tmp_path / "pid").read_text()))


def test_a_process_that_gets_on_may_take_longer(small_export, tmp_path, monkeypatch):
    monkeypatch.setattr(ask, "STALL_SECONDS", 1)
    stand_in(tmp_path, monkeypatch, "import sys, time; time.sleep(3); open(sys.argv[1] + '/report.json', 'w').write("
                                    "'{\"error\": null}')")
    done = threading.Event()

    def answer():
        while not done.wait(0.1):
            with open(tmp_path / "answers", "ab") as file:
                file.write(b"x")

    writer = threading.Thread(target=answer)
    writer.start()
    try:
        ask.run_loader(ask.CPP_LOADER, tmp_path, small_export, "serving_default")
    finally:
        done.set()
        writer.join()


@pytest.mark.parametrize("function, number", [("ask_cpp", signal.SIGKILL), ("ask_cpp", signal.SIGINT),
                                              ("ask_python", signal.SIGKILL)])
def test_it_ends_with_the_process_that_asked(failing, tmp_path, function, number):
    code = ("import sys; from pathlib import Path; import numpy; from tfpt.export import ask; "
            "getattr(ask, sys.argv[1])(Path(sys.argv[2]), 'endless', [{'x': numpy.ones(1, numpy.float32)}])")
    parent = subprocess.Popen([sys.executable, "-c", code, function, str(failing)], stderr=subprocess.DEVNULL,
                              env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(CHECKOUT)},
                              preexec_fn=heed_interrupts)
    try:
        wait_for(lambda: [path for path in tmp_path.glob("*/output") if b"it runs" in path.read_bytes()])
        [child] = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        os.kill(parent.pid, number)
        parent.wait(DEADLINE_SECONDS)
        wait_for(lambda: not alive(int(child)))
        assert list(tmp_path.iterdir()) == []
    finally:
        parent.kill()
        parent.wait()


def wait_for(condition) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """A zombie, which nobody may come for, is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("text, line", [
    ("", "no reason given"),
    ("Graph execution error:\n\nDetected at node a/b defined at (most recent call last):\n<stack traces unavailable>\n"
     "Matrix size-incompatible: In[0]: [1,2]\n\t [[{{node a/b}}]] [Op:__inference_f_9]", "Matrix size-incompatible: "
     "In[0]: [1,2]"),
    ("Op type not registered 'A' in binary running on host. Make sure the Op\nand more", "Op type not registered 'A'"),
    ("2 root error(s) found.\n  (0) INVALID_ARGUMENT: no\n\t [[{{node a}}]]", "INVALID_ARGUMENT: no"),
    ("{{function_node __wrapped__Next_device_/job:localhost}} corrupted record at 0 [Op:IteratorGetNext] name: ",
     "corrupted record at 0"),
    ("x" * 1000, "x" * 400 + "…")])
def test_the_telling_line(text, line):
    assert telling_line(text) == line
