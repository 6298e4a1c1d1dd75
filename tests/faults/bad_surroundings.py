"""What is wrong around a process: its streams, its terminal, its locale, its home, its rights, its port."""

import ctypes
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tests.data.image_files import class_folders, save_photo
from tests.faults.outcomes import half_written
from tfpt.cli import main
from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.loading import load_config

DRY_RUN = ("finetune-image", "--data", "猫", "--weights", "none", "--image-size", "32", "--alpha", "0.35", "--dry-run")
SUMMARY = r"^data      猫/ · 2 classes · 12 images: 8 train, 2 validation, 2 test$"
SHOWN_WITHOUT_UTF8 = r"^data      \?+/ \? 2 classes \? 12 images: 8 train"
HOMELESS = """
import pwd
import sys
def nobody(uid): raise KeyError(uid)
pwd.getpwuid = nobody
from tfpt.cli import main
sys.exit(main())
"""
NO_UTF8 = {"LC_ALL": "C", "LANG": None, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": None}
NO_HOME = {"HOME": None, "XDG_CACHE_HOME": None}
_CAPABILITIES_OF_ROOT_OVER_FILES = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_PR_CAPBSET_DROP = 24


@dataclass(frozen=True)
class ProcessCase:
    """A real process in a folder that holds ``猫/``, two classes of images, and what it has to say.

    Attributes:
        codes: the exit codes that it may end with.
        output, errors: regular expressions, searched for line by line. None: nothing at all may be there.
        environment: what is changed of it; None takes a variable out.
        streams: how its stdout and stderr are: "pipes", "head" (a reader that leaves after a line), "terminal", or what
            a shell would write, such as ``>&- 2>&-``.
        around: prepares the folder, and gives arguments to add; undone afterwards.
        before: called in the new process before it becomes Python.
        program: what Python runs in place of ``-m tfpt``.
        leaves: what it makes in the folder; nothing else there may change.
        after: looks at what it made.
    """

    name: str
    codes: tuple[int, ...]
    output: str | None
    errors: str | None = None
    arguments: tuple[str, ...] = DRY_RUN
    environment: Mapping[str, str | None] = field(default_factory=dict)
    streams: str = "pipes"
    around: Callable[[Path], AbstractContextManager[tuple[str, ...]]] = lambda folder: nullcontext(())
    before: Callable[[], None] | None = None
    program: str | None = None
    leaves: tuple[str, ...] = ()
    after: Callable[[Path], None] = lambda folder: None


def obey_permissions() -> None:
    """Root reads every file; without two of its capabilities it is held to permissions as others are."""
    if os.geteuid() == 0:
        for capability in _CAPABILITIES_OF_ROOT_OVER_FILES:
            if ctypes.CDLL(None, use_errno=True).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "can't give up the rights of root")


@contextmanager
def unreadable(folder: Path) -> Iterator[tuple[str, ...]]:
    closed = class_folders(folder / "猫", {"a/closed": 1}, first_seed=500) / "a" / "closed"
    closed.chmod(0)
    try:
        yield ()
    finally:
        closed.chmod(0o755)


@contextmanager
def unreadable_image(folder: Path) -> Iterator[tuple[str, ...]]:
    image = save_photo(folder / "猫" / "a" / "closed.png", 500)
    image.chmod(0)
    yield ()
    image.chmod(0o644)


@contextmanager
def port_in_use(folder: Path) -> Iterator[tuple[str, ...]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield ("--chief", f"127.0.0.1:{server.getsockname()[1]}")


@contextmanager
def file_in_the_way(folder: Path) -> Iterator[tuple[str, ...]]:
    (folder / "taken").write_text("mine")
    yield ("--run-dir", "taken")


RUN_DIR = "mein Lauf ü 猫 🎉"
NOT_UTF8 = os.fsdecode(b"caf\xe9.csv")
LABELS = ("a/b 🐈", "$x_" + "x" * 297)


@contextmanager
def labels_in_a_csv(folder: Path) -> Iterator[tuple[str, ...]]:
    rows = "".join(f"猫/{name}/{number}.png,{label}\n" for name, label in zip("ab", LABELS, strict=True)
                   for number in range(6))
    (folder / NOT_UTF8).write_text(f"path,label\n{rows}", encoding="utf-8")
    yield ("--data", NOT_UTF8, "--run-dir", RUN_DIR)


def the_run_is_whole(folder: Path) -> None:
    """Everything in it says the same names, and the other commands take it."""
    run = folder / RUN_DIR
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    config = load_config(ImageClassificationConfig, recipe=run / "config.yaml")
    assert record["status"] == "finished" and set(record["metadata"]["class_names"]) == set(LABELS)
    assert (run / "labels.txt").read_text(encoding="utf-8").splitlines() == record["metadata"]["class_names"]
    assert record["data"]["path"] == config.data.path == str(folder / NOT_UTF8)
    assert half_written(run) == []
    assert main(["evaluate", RUN_DIR]) == main(["predict", RUN_DIR, "猫/a/0.png"]) == 0


SURROUNDINGS = (
    ProcessCase("stdout read for one line (| head -1)", (0, 141), None, streams="head"),
    ProcessCase("stderr closed (2>&-)", (0,), SUMMARY, streams="2>&-"),
    ProcessCase("stdin, stdout and stderr closed", (0,), None, streams="<&- >&- 2>&-"),
    ProcessCase("stdout on a full disk", (2,), None, "the output could not be written: No space left",
                environment={"PYTHONUNBUFFERED": None}, streams=">/dev/full"),
    ProcessCase("$HOME unset", (0,), SUMMARY, environment=NO_HOME),
    ProcessCase("no home at all, and no TFPT_CACHE", (2,), "^reading   猫$", "No home directory .* set TFPT_CACHE",
                environment={**NO_HOME, "TFPT_CACHE": None}, program=HOMELESS),
    ProcessCase("a home that isn't there", (0,), SUMMARY, environment={"HOME": "/dev/null/home", "TFPT_CACHE": None}),
    ProcessCase("locale C", (0,), SUMMARY, environment={"LC_ALL": "C", "LANG": None}),
    ProcessCase("locale C, Python's UTF-8 mode off", (0,), SHOWN_WITHOUT_UTF8, environment=NO_UTF8),
    ProcessCase("a terminal without UTF-8", (0,), SHOWN_WITHOUT_UTF8, environment={**NO_UTF8, "TERM": "dumb"},
                streams="terminal"),
    ProcessCase("a sub-folder that can't be read", (2,), "^reading   猫$", "猫/a/closed can't be read: Permission denied",
                around=unreadable, before=obey_permissions),
    ProcessCase("an image that can't be read", (0,), "^left out  .*/猫/a/closed.png: can't be read: Permission denied$",
                around=unreadable_image, before=obey_permissions),
    ProcessCase("a port in use", (2,), None, "this process can't listen there .*in use", around=port_in_use,
                arguments=("tune", *DRY_RUN[1:-1])),
    ProcessCase("--run-dir is a file", (2,), None, "Expected to write taken, but taken is no directory",
                around=file_in_the_way, arguments=DRY_RUN[:-1]),
    ProcessCase("a run directory with spaces, emoji and Chinese; labels with / and of 300 characters; data not UTF-8",
                (0,), f"^run       {RUN_DIR}  ", "^epoch  1 .*", around=labels_in_a_csv,
                arguments=(*DRY_RUN[:-1], "--epochs", "1"), leaves=(RUN_DIR, "tensorboard_logs"),
                after=the_run_is_whole),
)
