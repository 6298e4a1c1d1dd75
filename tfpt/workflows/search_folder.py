"""What a search is on disk."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpt.errors import RunError
from tfpt.run_directory import Run
from tfpt.tuning.record import BEST_CONFIG_FILE, RECORD_FILE, read_record


OWN_NAMES = ("oracle", "trials", RECORD_FILE)
"""What a worker that was there before the chief, or a chief that was killed at once, may have left in the folder."""


@dataclass(frozen=True)
class SearchRun:
    """A search's folder. ``trials/0003`` in it is a run of its own, without a model."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def settings_file(self) -> Path:
        """The config of all trials and the space; where it is, there is a search."""
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

    def remove_checkpoints(self) -> None:
        """Nothing goes on from any trial any more."""
        for folder in self.path.glob("trials/*/checkpoints"):
            shutil.rmtree(folder, ignore_errors=True)


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
    found = [file.parent for file in Path(runs_root).glob("*/search.yaml") if (file.parent / RECORD_FILE).exists()]
    for path in sorted(found, key=lambda path: (path / "search.yaml").stat().st_mtime, reverse=True):
        if read_record(path).get("task") == task_name:
            return SearchRun(path)
    raise RunError(f"Expected a search of {task_name} to resume under {runs_root}/, but there is none. Name one with "
                   "--run-dir, or leave out --resume to start a new search.")
