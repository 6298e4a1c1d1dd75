"""Trains in a process of its own that kills itself: ``python -m tests.faults.killed_process TASK RUN_DIR MOMENT …``.

MOMENT is such as ``writing:7:0.5``: SIGKILL the seventh time that a file of a checkpoint is to be synced, when half of
it is written. ``-``: it isn't killed. Errors and exit codes are a
command's. What was hit stands in ``<RUN_DIR>.struck`` then. Further arguments are
``--resume`` and ``name=value``. A call runs a single step, so that any update may be the last.
"""

import contextlib
import os
import resource
import shutil
import signal
import sys
import threading
from pathlib import Path

import click

from tfpt import runtime
from tfpt.commands.failures import run_group

LARGE_DISK_BYTES = 2**28


class Moment:
    """Strikes the ``number``-th time it is asked; what ``part``, from 0 to 1, means is for the kind to say."""

    def __init__(self, number, part, note):
        self.left, self.part, self._note = number, part, note

    def due(self):
        self.left -= 1
        return self.left == 0

    def strike(self, what):
        self._note.write_text(what)
        os.kill(os.getpid(), signal.SIGKILL)

    def strike_within(self, seconds, what, body):
        """In the midst of ``body``, which may be in TensorFlow's threads; at its end if it is done sooner."""
        threading.Timer(self.part * seconds, self.strike, [what]).start()
        body()
        self.strike(what)


def before(owner, name, is_it, moment, act):
    """``act`` when the function is called for the moment's time of those for which ``is_it`` holds."""
    original = getattr(owner, name)

    def called(*arguments, **named):
        if is_it(*arguments) and moment.due():
            act(lambda: original(*arguments, **named), *arguments)
        return original(*arguments, **named)

    setattr(owner, name, called)


def after(owner, name, is_it, moment, what):
    """Strikes when the function has returned, if ``is_it`` holds then."""
    original = getattr(owner, name)

    def called(*arguments, **named):
        result = original(*arguments, **named)
        if is_it(*arguments) and moment.due():
            moment.strike(what(*arguments))
        return result

    setattr(owner, name, called)


def synced_path(descriptor):
    return os.readlink(f"/proc/self/fd/{descriptor}")


def tear(moment, descriptor):
    """As it is when the process ends while it writes: a part of the file's bytes, and no more."""
    if os.path.isfile(synced_path(descriptor)):
        os.ftruncate(descriptor, int(os.fstat(descriptor).st_size * moment.part))
    moment.strike(synced_path(descriptor))


def at_sync(moment, holds):
    before(os, "fsync", lambda descriptor: holds(Path(synced_path(descriptor))), moment,
           lambda _, descriptor: tear(moment, descriptor))


def remove_half(moment, folder):
    files = sorted(Path(folder).iterdir())
    for file in files[:max(1, int(moment.part * len(files)))]:
        file.unlink()
    moment.strike(str(folder))


def place_of(loop):
    return f"epoch {loop.state.epoch} step {loop.state.step}"


def at_update(moment, from_last_phase, act=None):
    from tfpt.training.loop import Loop

    def in_middle(loop, *_):
        state, first = loop.state, loop.job.phases[-1].from_epoch if from_last_phase else 1
        return state.epoch >= first and 0 < state.step < loop.job.steps_per_epoch

    before(Loop, "_answer_signal_or_save", in_middle, moment,
           act or (lambda _, loop: moment.strike(place_of(loop))))


def in_call(moment, kind):
    from tfpt.training.timed_calls import TimedCalls

    before(TimedCalls, "run", lambda calls, *_: calls._kind == kind, moment,
           lambda body, *_: moment.strike_within(0.03, f"{kind} call", body))


def at_phase_end(moment):
    from tfpt.training import loop

    after(loop, "check_trainability", lambda *_: True, moment, lambda *_: "a phase was checked, and not saved")


def at_phase_begin(moment):
    from tfpt.training.phase_runner import PhaseRunner

    after(PhaseRunner, "enter", lambda runner, state: runner.phase(state.epoch).from_epoch == state.epoch > 1
          and state.step == 0, moment, lambda _, state: f"entered the phase of epoch {state.epoch}")


def at_rows(moment):
    from tfpt.training.prefix_cache.rows import CutRows

    before(CutRows, "put", lambda *_: True, moment,
           lambda body, *_: moment.strike_within(0.03, "rows were put", body))


def at_history(moment):
    from tfpt.training.loop import Loop

    after(Loop, "_write_history", lambda loop: loop.state.history, moment, place_of)


def in_test(moment):
    from tfpt.workflows import train

    before(train, "score", lambda *_: True, moment, lambda body, *_: moment.strike_within(0.5, "the test", body))


def at_removal(moment):
    before(shutil, "rmtree", lambda folder, **_: "checkpoints" in Path(folder).parts and Path(folder).is_dir(), moment,
           lambda _, folder, **__: remove_half(moment, folder))


def interrupt_twice(*_):
    """As somebody who is impatient; the first is heeded before the second comes."""
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)


def fill_disk(run):
    """From now on the disk is full; where it is a large one, files may not become as large as a checkpoint's."""
    if os.statvfs(run).f_blocks * os.statvfs(run).f_frsize > LARGE_DISK_BYTES:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return
    with contextlib.suppress(OSError), open(f"{run}.filler", "wb", buffering=0) as file:
        while True:
            file.write(bytes(2**16))


def hooks(run_dir):
    cache, run = Path(os.environ["TFPT_CACHE"]).resolve(), Path(run_dir).resolve()
    checkpoints = run / "checkpoints"

    def of_rows(path):  # before there is a checkpoint the cache gets prepared data
        return path.is_relative_to(cache) and checkpoints.exists()

    def of_results(path):
        own = path.is_relative_to(run) and not path.is_relative_to(checkpoints)
        return own and path.is_file() and (run / "config.yaml").exists()

    return {
        "update": lambda moment: at_update(moment, from_last_phase=False),
        "late update": lambda moment: at_update(moment, from_last_phase=True),
        "call": lambda moment: in_call(moment, "train"),
        "validation": lambda moment: in_call(moment, "validation"),
        "writing": lambda moment: at_sync(moment, lambda path: path.is_relative_to(checkpoints)),
        "removal": at_removal, "phase end": at_phase_end, "phase begin": at_phase_begin,
        "rows": at_rows, "row file": lambda moment: at_sync(moment, of_rows),
        "disk": lambda moment: at_update(moment, True, lambda *_: fill_disk(Path(run_dir))),
        "interrupts": lambda moment: at_update(moment, False, interrupt_twice),
        "history": at_history, "test": in_test,
        "result": lambda moment: at_sync(moment, of_results)}


if __name__ == "__main__":
    runtime.quiet_tensorflow()
    from tfpt.training import timed_calls
    from tfpt.workflows.train import train

    task, run_dir, chosen, *rest = sys.argv[1:]
    timed_calls.CALL_SECONDS = 1e-6
    if chosen != "-":
        kind, number, part = chosen.split(":")
        hooks(run_dir)[kind](Moment(int(number), float(part), Path(f"{run_dir}.struck")))
    trained = click.Command("train", callback=lambda: train(
        task, recipe=None if "--resume" in rest else f"{task}/tiny", run_dir=run_dir, resume="--resume" in rest,
        tensorboard_root=f"{run_dir}.tensorboard", assignments=[item for item in rest if item != "--resume"]) and None)
    sys.exit(run_group(trained, []))
