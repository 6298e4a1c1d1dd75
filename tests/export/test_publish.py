"""Numbered exports: whole or absent, never over another one."""

import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from tfpt.errors import CheckFailed, ExportError
from tfpt.export.publish import publishing, versions


def publish(base, version=None, content="model"):
    with publishing(base, version) as (folder, number):
        (folder / "deeper").mkdir()
        (folder / "deeper" / "file").write_text(content)
        assert number not in versions(base)  # not to be seen while it is written
    return number


def test_versions_count_up_from_1(tmp_path):
    assert [publish(tmp_path / "new" / "export") for _ in range(3)] == [1, 2, 3]
    assert list(versions(tmp_path / "new" / "export")) == [1, 2, 3]
    assert sorted(os.listdir(tmp_path / "new" / "export")) == ["1", "2", "3"]
    assert (tmp_path / "new" / "export" / "2" / "deeper" / "file").read_text() == "model"


def test_a_version_may_be_chosen_and_the_next_one_is_above_all(tmp_path):
    assert publish(tmp_path, 7) == 7 and publish(tmp_path, 3) == 3 and publish(tmp_path) == 8


def test_no_version_is_larger_than_servers_know(tmp_path):
    assert publish(tmp_path, 2 ** 63 - 1) == 2 ** 63 - 1
    with pytest.raises(ExportError, match="largest that servers know"):
        publish(tmp_path)
    assert publish(tmp_path, 2) == 2


def test_what_is_no_number_is_no_version(tmp_path):
    for name in ("onnx", "v9", "1.5", "٣"):
        (tmp_path / name).mkdir()
    assert publish(tmp_path) == 1


@pytest.mark.parametrize("name", ["4", "0004"])
@pytest.mark.parametrize("is_file", [True, False])
def test_an_existing_version_is_left_alone(tmp_path, name, is_file):
    if is_file:
        (tmp_path / name).write_text("mine")
    else:
        (tmp_path / name).mkdir()
    with pytest.raises(ExportError, match="version 4 .* it exists.* next free one is 5"):
        publish(tmp_path, 4)
    assert os.listdir(tmp_path) == [name]


def test_nothing_is_left_of_what_failed(tmp_path):
    with pytest.raises(CheckFailed), publishing(tmp_path) as (folder, _):
        (folder / "half").write_text("written")
        raise CheckFailed("it differs")
    assert os.listdir(tmp_path) == []


def test_nothing_is_left_when_interrupted(tmp_path):
    with pytest.raises(KeyboardInterrupt), publishing(tmp_path) as (folder, _):
        (folder / "half").write_text("written")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path):
    code = ("import pathlib, sys, time; from tfpt.export.publish import publishing\n"
            "with publishing(pathlib.Path(sys.argv[1])) as (folder, _):\n"
            "    (folder / 'half').write_text('written'); print('now', flush=True); time.sleep(60)")
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "now\n"
    with pytest.raises(ExportError, match="another process"):
        publish(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert os.listdir(tmp_path) == [".1.tmp"] and versions(tmp_path) == {}
    assert publish(tmp_path) == 1 and os.listdir(tmp_path) == ["1"]


def test_the_lock_goes_with_the_exporter(tmp_path):
    publish(tmp_path)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def test_a_file_in_the_way_is_one_paragraph(tmp_path):
    (tmp_path / "export").write_text("not a folder")
    with pytest.raises(ExportError, match="--to"):
        publish(tmp_path / "export")


def test_a_full_disk_publishes_nothing(tmp_path):
    """A limit on the size of files stands in for a full disk: writing fails half-way in the same place."""
    code = ("import pathlib, resource, signal, sys; from tfpt.export.publish import publishing\n"
            "from tfpt.errors import ExportError\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "try:\n"
            "    with publishing(pathlib.Path(sys.argv[1])) as (folder, _):\n"
            "        (folder / 'large').write_bytes(bytes(5000))\n"
            "except ExportError as error: print(error)")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert "Nothing was published" in done.stdout and "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


def test_two_at_once_never_write_the_same_version(tmp_path):
    code = ("import pathlib, sys, time; from tfpt.errors import ExportError\n"
            "from tfpt.export.publish import publishing\n"
            "for _ in range(40):\n"
            "    try:\n"
            "        with publishing(pathlib.Path(sys.argv[1])) as (folder, _):\n"
            "            (folder / 'by').write_text(sys.argv[2]); time.sleep(0.001)\n"
            "    except ExportError: time.sleep(0.002)")
    began = time.monotonic()
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "ab"]
    assert [process.wait(timeout=60) for process in both] == [0, 0], time.monotonic() - began
    found = list(versions(tmp_path))
    assert found == list(range(1, len(found) + 1)) and len(found) > 10
    assert all((tmp_path / str(number) / "by").read_text() in "ab" for number in found)
