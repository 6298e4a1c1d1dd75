"""What a search is on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpt.errors import RunError
from tfpt.run_directory import Run, new_run, refuse_taken
from tfpt.tuning.record import BEST_CONFIG_FILE, RECORD_FILE, read_record


@dataclass(frozen=True)
class SearchRun:
    """A search's folder. ``trials/0003`` in it is a run of its own, without a model."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def settings_file(self) -> Path:
        """All that was asked: with the same file, `tfpt tune --config` asks it again."""
        return self.path / "search.yaml"

    @property
    def best_config_file(self) -> Path:
        return self.path / BEST_CONFIG_FILE

    @property
    def oracle_folder(self) -> Path:
        """What KerasTuner keeps of the search."""
        return self.path / "oracle"

    def trial(self, number: int, execution: int = 0) -> Run:
        """The run of a trial; further ``execution``s have folders of their own."""
        return Run(self.path / "trials" / f"{number:04d}{f'-{execution + 1}' if execution else ''}")

    def record(self) -> dict[str, Any]:
        """What ``tuning.json`` holds; RunError if it is missing or damaged."""
        return read_record(self.path)


def new_search(name: str, runs_root: str, run_dir: str | None) -> SearchRun:
    """Make the folder of a new search: ``<runs_root>/tune-<name>-<number>``, or ``run_dir``.

    Raises:
        RunError: ``run_dir`` holds a search or a run already, or can't be written.
    """
    if run_dir is not None:
        refuse_taken_search(run_dir)
    return SearchRun(new_run(f"tune-{name}", runs_root, run_dir).path)


def refuse_taken_search(run_dir: str) -> None:
    """RunError if a new search may not be written to ``run_dir``."""
    search = SearchRun(Path(run_dir))
    if search.settings_file.exists() or (search.path / RECORD_FILE).exists():
        raise RunError(f"There is another search in {run_dir}. Choose a new directory with --run-dir, or continue that "
                       "search with --resume.")
    refuse_taken(run_dir)


def find_search(run_dir: str | None, runs_root: str, task_name: str) -> SearchRun:
    """The search in ``run_dir``, else the newest one of the task.

    Raises:
        RunError: there is none.
    """
    if run_dir is not None:
        for path in (Path(run_dir), Path(runs_root) / run_dir):
            if SearchRun(path).settings_file.is_file():
                return SearchRun(path)
        raise RunError(f"Expected a search to resume in {run_dir}, but there is no search.yaml in it. Name the folder "
                       "that `tfpt tune` wrote, or leave out --resume to start a new search.")
    found = [file.parent for file in Path(runs_root).glob("*/search.yaml")]
    for path in sorted(found, key=lambda path: (path / "search.yaml").stat().st_mtime, reverse=True):
        if (path / RECORD_FILE).exists() and read_record(path).get("task") == task_name:
            return SearchRun(path)
    raise RunError(f"Expected a search of {task_name} to resume under {runs_root}/, but there is none. Name one with "
                   "--run-dir, or leave out --resume to start a new search.")
