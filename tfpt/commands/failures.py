"""The one place where errors become a paragraph on stderr and an exit code."""

import contextlib
import errno
import os
import shutil
import sys
import textwrap
import traceback
from collections.abc import Sequence

import click

from tfpt.errors import TfptError

INTERRUPTED = 130
BROKEN_PIPE = 141


def run_group(group: click.Group, arguments: Sequence[str] | None) -> int:
    """Runs ``group`` and returns the exit code: 0, 1 (a bug), 2 (usage), an error's own, 130 or 141."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that can't show a character shows "?" instead
            stream.reconfigure(errors="replace")
    try:
        code = _invoke(group, arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader has left (`tfpt runs | head -1`). The interpreter's last flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        say(f"the output could not be written: {error.strerror or error}.")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2


def say(message: str) -> None:
    """Prints ``tfpt: message`` to stderr, wrapped to a terminal's width, in one line otherwise."""
    from tfpt.commands.tables import printable

    text = printable(f"tfpt: {' '.join(message.split())}")  # what a hostile file says must not steer the terminal
    if sys.stderr is None:
        return
    if sys.stderr.isatty():
        width = max(40, shutil.get_terminal_size().columns)
        text = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    with contextlib.suppress(OSError):  # nobody can be told; the exit code still tells
        click.echo(text, err=True)


def _open_closed_streams() -> None:
    """Opens on /dev/null what was closed before we began (``2>&-``).

    A file that we write would otherwise get its number, and with it whatever C libraries print.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: the one that is missing
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w"))


def _invoke(group: click.Group, arguments: Sequence[str] | None) -> int:
    try:
        code = group.main(arguments, prog_name="tfpt", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.Abort:
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        say(_usage_paragraph(error))
        return 2
    except TfptError as error:
        _show_traceback_if_asked()
        say(str(error))
        return error.exit_code
    except SystemExit:  # click's answer to a broken pipe; it has made the last flush silent
        return BROKEN_PIPE
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:  # stdout's disk is full
            raise
        _show_traceback_if_asked()
        say(_bug_paragraph(error))
        return 1
    except Exception as error:
        _show_traceback_if_asked()
        say(_bug_paragraph(error))
        return 1


def _usage_paragraph(error: click.ClickException) -> str:
    near = getattr(error, "possibilities", None)
    message = error.message if near else error.format_message()
    hint = f" Did you mean {' or '.join(near[:2])}?" if near else ""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "tfpt"
    return f"{message}{hint} `{path} --help` tells how it is called."


def _bug_paragraph(error: Exception) -> str:
    shown = "" if _debugging() else " Run it again as `tfpt --debug …` and"
    return (f"this is a bug of tfpt, not of your data or command: {type(error).__name__}: {error}. "
            f"{shown or ' Please'} report the traceback, the command and what `tfpt --version` prints "
            f"as an issue of the project.")


def _debugging() -> bool:
    return os.environ.get("TFPT_DEBUG", "").lower() not in ("", "0", "false")


def _show_traceback_if_asked() -> None:
    if _debugging():
        traceback.print_exc()
