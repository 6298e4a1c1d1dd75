"""What a training run is on disk: its paths, its number, its manifest and its lock."""

import contextlib
import difflib
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tfpt.atomic_files import atomic_write_text, not_writable, read_own_text, writable_folder
from tfpt.errors import RunError
from tfpt.run_manifest import is_text, manifest_text, read_manifest

RUNS_ROOT = "runs"
TRAINING_RECORD = {"task": str, "metadata": dict, "fingerprints": dict, "fingerprints.data": str, "environment": dict,
                   "epochs": int}


@dataclass(frozen=True)
class Run:
    """One run directory. Nothing is read until a method is called."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def config_file(self) -> Path:
        """The resolved config, enough to repeat the run."""
        return self.path / "config.yaml"

    @property
    def manifest_file(self) -> Path:
        return self.path / "run.json"

    @property
    def metrics_file(self) -> Path:
        """A JSON line per epoch."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model_file(self) -> Path:
        """The best model."""
        return self.path / "model.keras"

    @property
    def backbone_file(self) -> Path:
        return self.path / "backbone.keras"

    @property
    def backbone_description_file(self) -> Path:
        """Preprocessing and input of the backbone, for the run that starts from it."""
        return self.path / "backbone.json"

    @property
    def labels_file(self) -> Path:
        """A class name per line, in the order of the model's outputs."""
        return self.path / "labels.txt"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation"

    @property
    def predictions_file(self) -> Path:
        """What the model said of each test example."""
        return self.evaluation / "test_predictions.npz"

    @property
    def lock_file(self) -> Path:
        return self.path / ".lock"

    @property
    def metrics(self) -> dict[str, Any]:
        """The manifest's metrics by split, such as ``{"test": {"accuracy": 0.97}}``."""
        return dict(self.manifest().get("metrics") or {})

    def manifest(self) -> dict[str, Any]:
        """What ``run.json`` holds; RunError: it is missing, or not a JSON object."""
        return read_manifest(self.manifest_file)

    def training_record(self) -> dict[str, Any]:
        """The manifest, if it has all that evaluating, predicting and resuming need; else RunError."""
        manifest = self.manifest()
        for name, kind in TRAINING_RECORD.items():
            section, _, inner = name.rpartition(".")
            if not isinstance((manifest[section] if section else manifest).get(inner), kind):
                raise RunError(f"Expected {self.manifest_file} to hold {name}, written by a training, but it does "
                               f"not: it is damaged, or something else wrote it. Start a new run.")
        if not self.config_text().strip():
            raise RunError(f"Expected the run's config in {self.config_file}, but it is empty. Bring it back, or start "
                           f"a new run.")
        return manifest

    def update_manifest(self, **changes: Any) -> None:
        """Writes ``changes`` over the manifest's top-level keys, atomically. Numbers that aren't finite become null."""
        manifest = self.manifest() if self.manifest_file.exists() else {}
        atomic_write_text(self.manifest_file, manifest_text({**manifest, **changes}))

    def config_text(self) -> str:
        """``config.yaml`` as text.

        Raises:
            RunError: it is missing or unreadable.
        """
        try:
            return read_own_text(self.config_file)
        except (OSError, ValueError) as error:
            raise RunError(f"Expected the run's config in {self.config_file}, but it can't be read: {error}. "
                           f"A run without it can't be resumed or evaluated; start a new one, "
                           f"elsewhere.") from error

    def started(self) -> float:
        """When the run began, in seconds since 1970, also after it was resumed."""
        with contextlib.suppress(RunError, KeyError, TypeError, ValueError, OverflowError, OSError):
            began = datetime.fromisoformat(self.manifest()["began"]).timestamp()
            datetime.fromtimestamp(began)  # local time can be a year that datetime can't tell
            return began
        with contextlib.suppress(OSError):
            return self.path.stat().st_mtime
        return 0.0


def new_run(name: str, runs_root: str | Path = RUNS_ROOT, run_dir: str | Path | None = None) -> Run:
    """Makes the directory of a new run: ``<runs_root>/<name>-<next number>``, or ``run_dir`` if given.

    Two processes that ask at once get different numbers.

    Raises:
        RunError: ``run_dir`` holds a run already, or the directory can't be made or written.
    """
    if run_dir is not None:
        return _chosen_run(Path(run_dir))
    root, stem = Path(runs_root), _file_name(name)
    try:
        root.mkdir(parents=True, exist_ok=True)
        while True:
            path = root / f"{stem}-{_last_number(root, stem) + 1:04d}"
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                return Run(path)
    except OSError as error:
        raise not_writable(root, error) from error


def find_run(path_or_name: str | Path, runs_root: str | Path = RUNS_ROOT) -> Run:
    """The run in that directory, or of that name under ``runs_root``.

    Raises:
        RunError: there is none; the message offers the nearest name.
    """
    candidates = (Path(os.path.expanduser(path_or_name)), Path(runs_root) / path_or_name)
    for path in candidates:
        if _holds_run(path):
            return Run(path)
    names = [run.name for run in list_runs(runs_root)]
    near = difflib.get_close_matches(Path(path_or_name).name, names, 1, 0.5)
    hint = f"Did you mean {near[0]}?" if near else "`tfpt runs` lists the runs that there are."
    what = "holds no run.json" if os.path.isdir(candidates[0]) else f"is no folder here, and no run under {runs_root}/"
    raise RunError(f"Expected a run, its folder or its name, but {path_or_name} {what}. {hint}")


def list_runs(runs_root: str | Path = RUNS_ROOT) -> list[Run]:
    """All runs under ``runs_root``, the oldest first: those of one name by number, since a clock may be set back, and
    names among each other by when their runs began.
    """
    root = Path(runs_root)
    if not root.is_dir():
        return []
    runs = sorted((Run(path) for path in root.iterdir() if _holds_run(path)), key=_series_and_number)
    latest: dict[str, float] = {}
    times: dict[Run, float] = {}
    for run in runs:
        series, _ = _series_and_number(run)
        latest[series] = times[run] = max(latest.get(series, 0.0), run.started())
    return sorted(runs, key=times.__getitem__)


def latest_run(task_name: str, runs_root: str | Path = RUNS_ROOT) -> Run:
    """The last of ``list_runs`` that is of ``task_name``.

    Raises:
        RunError: there is none.
    """
    for run in reversed(list_runs(runs_root)):
        with contextlib.suppress(RunError):
            if run.manifest().get("task") == task_name:
                return run
    raise RunError(f"Expected a run of {task_name} to resume under {runs_root}/, but there is none. "
                   f"Name one with --run-dir, or leave out --resume to start a new run.")


@contextlib.contextmanager
def lock_run(run: Run) -> Iterator[None]:
    """Holds the run's lock: one writer per directory. The kernel releases it when the process ends, however it ends.

    Raises:
        RunError: another process holds it (the message names its PID), or the directory isn't writable.
    """
    try:
        descriptor = os.open(run.lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise not_writable(run.path, error) from error
    try:
        _take_lock(descriptor, run)
        yield
    finally:
        os.close(descriptor)


def is_locked(run: Run) -> bool:
    """Whether a process is writing the run now."""
    try:
        with open(os.open(run.lock_file, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _take_lock(descriptor: int, run: Run) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise not_writable(run.lock_file, error) from error
        writer = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
        raise RunError(f"Expected to be the only writer of {run.path}, but process {writer} is writing it. "
                       f"Wait for it, stop it, or choose another directory with --run-dir.") from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError as error:  # the disk is full
        raise not_writable(run.lock_file, error) from error


def refuse_taken(run_dir: str | Path) -> None:
    """RunError if no run can be made in ``run_dir``, or one is there already."""
    path = Path(run_dir)
    existing = next((place for place in (path, *path.parents) if os.path.lexists(place)), Path())
    if not existing.is_dir():
        raise RunError(f"Expected to write {path}, but {existing} is no directory. Choose another with --run-dir.")
    if not is_text(str(path)):
        raise RunError(f"Expected a directory whose name is UTF-8 text, but found {str(path)!r}: TensorBoard can't "
                       f"write there. Choose another with --run-dir.")
    taken = next((file for file in _own_files(Run(Path(run_dir))) if os.path.lexists(file)), None)
    if taken is not None:
        raise RunError(f"There is another run in the directory {run_dir} ({taken.name}). Choose a new directory "
                       f"with --run-dir, or continue that run with --resume.")


def _chosen_run(path: Path) -> Run:
    refuse_taken(path)
    return Run(writable_folder(path))


def _own_files(run: Run) -> list[Path]:
    return [run.manifest_file, run.config_file, run.metrics_file, run.checkpoints, run.model_file,
            run.backbone_file, run.backbone_description_file, run.labels_file, run.evaluation]


def _holds_run(path: Path) -> bool:
    try:
        return (path / "run.json").is_file() or (path / "config.yaml").is_file()
    except OSError:
        return False


def _last_number(root: Path, stem: str) -> int:
    pattern = re.compile(re.escape(stem) + r"-(\d+)")
    return max((int(found[1]) for path in root.iterdir() if (found := pattern.fullmatch(path.name))), default=0)


def _series_and_number(run: Run) -> tuple[str, int]:
    """``photos`` and 12 of ``photos-0012``; a name of another kind is a series of its own."""
    series, _, number = run.name.rpartition("-")
    return (series, int(number)) if series and number.isascii() and number.isdigit() else (run.name, 0)


def _file_name(name: str) -> str:
    """``name`` with only letters, digits, dots, dashes and underlines, at most 60 characters, not hidden."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-._")[:60] or "run"
