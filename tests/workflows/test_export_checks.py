"""What export and serve-check share: signals are answered at once, whoever catches the exception on its way."""

import os
import signal

import pytest

from tfpt.errors import ExportError, Interrupted
from tfpt.workflows.export_checks import stopped_at_once


@pytest.fixture
def heeded():
    """A test run in the background of a script inherits an ignored SIGINT; a user's terminal doesn't."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_told_as_another_error_is_a_signal(number, heeded):
    with pytest.raises(Interrupted) as stopped, stopped_at_once():
        try:
            os.kill(os.getpid(), number)
        except Exception as error:
            raise ExportError("the file is damaged") from error
    assert stopped.value.exit_code == 128 + number


def test_other_errors_stay_what_they_are():
    with pytest.raises(ExportError, match="damaged"), stopped_at_once():
        raise ExportError("damaged")
