import os
import warnings

import pytest

from tfpt.data.quiet import quiet_libraries


def test_writes_and_warnings_are_silent_inside_and_heard_after(capfd):
    with quiet_libraries():
        os.write(2, b"libjpeg complains\n")
        warnings.warn("Pillow complains")
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
    with pytest.raises(ValueError, match="inside"):
        with quiet_libraries():
            raise ValueError("inside")
    os.write(2, b"heard again\n")
    assert capfd.readouterr().err == "heard again\n"
