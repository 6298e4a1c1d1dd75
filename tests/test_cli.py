"""The root of the command line, as real processes where a process's state matters."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

import tfpt
from tests.processes import heed_interrupts
from tfpt.cli import COMMANDS, root

CHECKOUT = Path(tfpt.__file__).parents[1]
HEAVY = ("tensorflow", "keras", "numpy", "PIL", "sklearn", "matplotlib")
LOADED = f"""
import sys
from tfpt.cli import main
code = main(sys.argv[1:])
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""


def run(*arguments, cwd=None, code=None, **environment):
    program = ["-c", code] if code else ["-m", "tfpt"]
    return subprocess.run([sys.executable, *program, *arguments], capture_output=True, text=True, timeout=120, cwd=cwd,
                          env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment})


def start(code):
    return subprocess.Popen([sys.executable, "-c", code, "own"], text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
                            preexec_fn=heed_interrupts)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], *([name, "--help"] for name in COMMANDS), ["runs"],
                                       ["backbones"], ["cache", "list"], ["cache", "verify"], ["cache", "clear"]],
                         ids=" ".join)
def test_help_imports_nothing_heavy(arguments, tmp_path):
    done = run(*arguments, code=LOADED, cwd=tmp_path, TFPT_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0 and done.stderr.splitlines()[-1] == "[]", done.stderr


def test_help_lists_every_command_with_its_line():
    text = run("--help").stdout
    assert all(name in text and line in text for name, (_, line) in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_as_the_table_says_and_so_has_each_option(name):
    command = root.get_command(click.Context(root), name)
    assert command.name == name
    assert command.help.splitlines()[0] == COMMANDS[name][1]
    for part in command.commands.values() if isinstance(command, click.Group) else [command]:
        options = [parameter for parameter in part.params if isinstance(parameter, click.Option)]
        assert part.help and options and all(option.help for option in options)


@pytest.mark.parametrize(("arguments", "parts"), [
    (["finetune-imag"], ["No such command", "Did you mean finetune-image"]),
    (["finetune-image", "--epoch", "3"], ["No such option", "Did you mean --epochs?", "`tfpt finetune-image --help`"]),
    (["finetune-image", "--epochs", "many"], ["--epochs", "'many' is not a valid integer"]),
    (["predict", "run"], ["Missing argument", "PATH"]),
    (["predict", "run", "x", "--top", "0"], ["--top"]),
    (["predict", "run", "x", "--json", "--csv"], ["--json and --csv together"]),
    (["runs", "extra"], ["unexpected extra argument"]),
    (["cache", "lists"], ["No such command", "Did you mean list?", "`tfpt cache --help`"]),
    (["cache", "clear", "--older-than", "-1"], ["--older-than"]),
    (["--nope"], ["No such option"]),
])
def test_bad_usage_is_one_line_on_stderr_and_code_2(arguments, parts):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("tfpt: ") and done.stderr.count("\n") == 1
    assert all(part in done.stderr for part in parts), done.stderr


def test_no_command_shows_the_help_and_code_2():
    done = run()
    assert done.returncode == 2 and "Commands:" in done.stderr


def test_a_missing_run_is_code_2_before_anything_else_is_written(tmp_path):
    done = run("evaluate", "photos-0001", cwd=tmp_path)
    assert done.returncode == 2 and "photos-0001" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_version_tells_versions_and_devices_and_nothing_else():
    done = run("--version")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert done.returncode == 0 and done.stderr == ""
    assert lines["tfpt"] == tfpt.__version__ and "CPU:0" in lines["devices"] and lines["tensorflow"].startswith("2.")


WITH_COMMAND = """
import sys
import types
import click
from tfpt import cli, errors
module = types.ModuleType("own")
{body}
module.command = click.Command("own", callback=own, help="x")
sys.modules["own"] = module
cli.COMMANDS["own"] = ("own:command", "x")
sys.exit(cli.main())
"""


@pytest.mark.parametrize(("raised", "code", "part"), [
    ("errors.DataError('Expected one,  found\\n two.')", 2, "tfpt: Expected one, found two.\n"),
    ("errors.TrainingFailed('diverged')", 3, "tfpt: diverged\n"),
    ("errors.CheckFailed('moved')", 4, "tfpt: moved\n"),
    ("errors.Interrupted('saved', 143)", 143, "tfpt: saved\n"),
    ("KeyboardInterrupt()", 130, "\n"),
    ("ZeroDivisionError('by zero')", 1, "a bug of tfpt, not of your data or command: ZeroDivisionError: by zero."),
])
def test_errors_become_a_paragraph_and_their_code(raised, code, part):
    program = WITH_COMMAND.format(body=f"def own(): raise {raised}")
    done = run("own", code=program)
    assert done.returncode == code and part in done.stderr and "Traceback" not in done.stderr
    if "KeyboardInterrupt" not in raised:
        for debugged in (run("--debug", "own", code=program), run("own", code=program, TFPT_DEBUG="1")):
            assert debugged.returncode == code and "Traceback" in debugged.stderr


def test_a_reader_that_leaves_is_no_error():
    body = "def own():\n    for number in range(100000): click.echo(number)"
    process = start(WITH_COMMAND.format(body=body))
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(60) == 141
    process.stderr.close()


def test_a_stream_that_cannot_show_a_character_gets_a_question_mark():
    done = run("own", code=WITH_COMMAND.format(body="def own(): click.echo('a \\u2192 b')"), PYTHONIOENCODING="latin-1")
    assert done.returncode == 0 and done.stdout == "a ? b\n"


def test_an_interrupt_while_a_command_works_is_code_130():
    body = "def own():\n    import time; click.echo('here'); sys.stdout.flush(); time.sleep(60)"
    process = start(WITH_COMMAND.format(body=body))
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors


def test_runs_of_an_empty_folder_as_json(tmp_path):
    done = run("runs", "--json", cwd=tmp_path)
    assert json.loads(done.stdout) == {"runs": []} and done.stderr == ""
