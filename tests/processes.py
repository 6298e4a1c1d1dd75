"""What tests need of processes that they start."""

import signal


def heed_interrupts() -> None:
    """For ``preexec_fn``: a test run in the background of a script inherits an ignored SIGINT; a user's terminal
    doesn't.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
