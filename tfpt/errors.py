"""The one family of errors that a user may see, each with the exit code of its command.

A message is one paragraph: what was expected, what was found, where, and what to do.
"""


class TfptError(Exception):
    """Base of every error that tfpt raises on purpose; the command line prints it without a traceback."""

    exit_code = 1


class UsageError(TfptError):
    """The command was called in a way that can't work."""

    exit_code = 2


class ConfigError(UsageError):
    """A recipe, ``--set`` or flag holds an unknown key, a wrong type or a value out of range."""


class DataError(UsageError):
    """The data can't be read, or is not enough to train on."""


class RunError(UsageError):
    """A run directory is missing, taken, locked, unfinished or not writable."""


class WeightsError(UsageError):
    """Pretrained weights can't be had, or don't fit the model."""


class ExportError(UsageError):
    """A model can't be exported in that way or to that place, or a directory holds no export."""


class TrainingFailed(TfptError):
    """Training broke down: diverged, or out of memory."""

    exit_code = 3


class CallbackFailed(TrainingFailed):
    """A callback that the user brought raised: its ``__cause__``. The state was saved."""


class CheckFailed(TfptError):
    """A self-check found a difference: a frozen weight that moved, a checkpoint whose bytes changed."""

    exit_code = 4


class Interrupted(TfptError):
    """A signal stopped the run after its state was saved. ``exit_code`` is 130 (SIGINT) or 143 (SIGTERM)."""

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code
