"""An export as ``tfpt export`` leaves it, made once for all tests of what serves it; none may write to it."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.workflows.finished_runs import write_pictures, write_run
from tfpt.workflows.export import export_run

USUAL_UMASK = 0o022


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of an export into its run, by somebody of the usual umask."""
    root = tmp_path_factory.mktemp("served")
    before = os.umask(USUAL_UMASK)
    try:
        write_pictures(root / "pictures")
        return export_run(write_run(root / "runs" / "pictures-0001", root / "pictures"), quiet=True)
    finally:
        os.umask(before)


@pytest.fixture(scope="session")
def export(exported: dict[str, Any]) -> Path:
    """The folder of versions, which TFPT_EXPORT would name."""
    return Path(exported["run"]) / "export"
