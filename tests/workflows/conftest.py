"""One finished run for all tests of this folder that only read it."""

import shutil
from pathlib import Path

import pytest

from tests.workflows.finished_runs import write_pictures, write_run
from tfpt.run_directory import Run


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> tuple[Path, Path]:
    """(data folder, run folder)"""
    root = tmp_path_factory.mktemp("finished")
    write_pictures(root / "pictures")
    write_run(root / "runs" / "pictures-0001", root / "pictures")
    return root / "pictures", root / "runs" / "pictures-0001"


@pytest.fixture
def run(finished, tmp_path, monkeypatch) -> Run:
    """A copy of the finished run that a test may change; the working directory is where its ``runs/`` is."""
    shutil.copytree(finished[1], tmp_path / "runs" / "pictures-0001")
    monkeypatch.chdir(tmp_path)
    return Run(tmp_path / "runs" / "pictures-0001")
