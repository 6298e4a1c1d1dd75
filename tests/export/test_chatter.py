"""What libraries print is kept, by Python or C++, and shown only if something goes wrong that no message explains."""

import os
import subprocess
import sys
import warnings

import pytest

from tfpt.errors import ExportError
from tfpt.export.chatter import chatter_shown_on_failure


def chat():
    print("python's stdout")
    print("python's stderr", file=sys.stderr)
    os.write(1, b"descriptor 1\n")
    os.write(2, b"descriptor 2\n")
    warnings.warn("a warning", stacklevel=1)


def test_a_block_that_ends_well_leaves_nothing(capfd):
    with chatter_shown_on_failure():
        chat()
    assert capfd.readouterr() == ("", "")


def test_what_failed_is_shown_on_stderr(capfd):
    with pytest.raises(KeyError), chatter_shown_on_failure():
        chat()
        raise KeyError("x")
    out, err = capfd.readouterr()
    assert out == "" and err.splitlines() == ["python's stdout", "python's stderr", "descriptor 1", "descriptor 2"]


def test_our_own_errors_stand_alone(capfd):
    with pytest.raises(ExportError), chatter_shown_on_failure():
        chat()
        raise ExportError("all there is to say")
    assert capfd.readouterr() == ("", "")


def test_afterwards_all_is_as_before(capfd):
    with chatter_shown_on_failure():
        chat()
    os.write(1, b"one")
    print("two", file=sys.stderr)
    assert capfd.readouterr() == ("one", "two\n")


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_a_closed_stream_is_no_matter(closed, tmp_path):
    code = ("from tfpt.export.chatter import chatter_shown_on_failure\n"
            "with chatter_shown_on_failure():\n"
            "    print('hello')\n"
            f"open({str(tmp_path / 'done')!r}, 'w').close()\n")
    subprocess.run(["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, code], check=True)
    assert (tmp_path / "done").exists()
