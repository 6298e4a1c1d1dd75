"""Runs tfpt commands one after another in one process, and says what each of them did, printed and took.

``python -m tests.faults.hostile_process`` reads a JSON object per line, ``{"folder", "arguments"}``, and answers each
with one, an ``Answer``. Its memory is limited, so that a bomb that isn't refused ends it and not the machine.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpt.data import worker_process

REPOSITORY = Path(__file__).resolve().parents[2]
ROOM_BYTES = 4 * 2**30
SUSPICIOUS = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.startfile", "subprocess.Popen",
              "pickle.find_class", "socket.connect", "socket.getaddrinfo", "urllib.Request")
"""Audit events of code that was smuggled in, and of doors that it would use."""
FOREIGN_PACKAGES = ("keras_cv", "keras_nlp", "keras_hub", "torch", "jax", "flax")


@dataclass(frozen=True)
class Answer:
    """``grown_mb``: how much more memory the command needed, at its peak, than there was in use before it."""

    code: int
    stdout: str
    stderr: str
    grown_mb: int
    events: list[str]


class Worker:
    """The process, as a test uses it. ``cache`` is the cache folder of all commands."""

    def __init__(self, cache: Path):
        self._environment = {**os.environ, "TFPT_CACHE": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = self._started()

    def run(self, folder: Path, *arguments: str) -> Answer:
        """What ``tfpt`` with these arguments did, called in ``folder``."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"folder": str(folder), "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._process = self._started()  # for the tests that follow
            raise AssertionError(f"tfpt {' '.join(arguments)} ended the process: {code}")
        return Answer(**json.loads(line))

    def close(self) -> None:
        self._process.communicate()

    def _started(self) -> "subprocess.Popen[str]":
        return subprocess.Popen([sys.executable, "-m", "tests.faults.hostile_process"], cwd=REPOSITORY,
                                env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


events: list[str] = []


def listen(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen" and worker_process.CODE in arguments[1]:
        return  # tfpt's own
    if event in SUSPICIOUS or (event == "import" and arguments[0].partition(".")[0] in FOREIGN_PACKAGES):
        events.append(f"{event} {arguments!r:.200}")


def kilobytes(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


def forget_peak() -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def carry_out(main: Any, arguments: list[str]) -> dict[str, Any]:
    """Exit code, output, memory and events of one command."""
    events.clear()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        kept = os.dup(1), os.dup(2)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        forget_peak()
        before = kilobytes("VmRSS")
        try:
            code = main(arguments)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            grown = kilobytes("VmHWM") - before
            for number, original in enumerate(kept, start=1):
                os.dup2(original, number)
                os.close(original)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    return {"code": code, "stdout": texts[0], "stderr": texts[1], "grown_mb": round(grown / 1024), "events": events[:]}


def serve() -> None:
    from tfpt import runtime
    from tfpt.cli import main

    runtime.quiet_tensorflow()
    import tfpt.workflows.train  # noqa: F401  (its imports are not the first command's)

    resource.setrlimit(resource.RLIMIT_AS, (kilobytes("VmSize") * 1024 + ROOM_BYTES,) * 2)
    sys.addaudithook(listen)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in sys.stdin:
        request = json.loads(line)
        os.chdir(request["folder"])
        sys.path.insert(0, request["folder"])  # as `python -m tfpt` does
        print(json.dumps(carry_out(main, request["arguments"])), file=answers, flush=True)
        sys.path.remove(request["folder"])


if __name__ == "__main__":
    serve()
