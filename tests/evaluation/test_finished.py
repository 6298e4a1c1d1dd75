import pytest

from tfpt.errors import RunError
from tfpt.evaluation.finished import require_finished
from tfpt.run_directory import Run, lock_run


def test_only_a_finished_run_will_do(tmp_path):
    run = Run(tmp_path)
    run.update_manifest(status="finished")
    require_finished(run)
    run.update_manifest(status="interrupted")
    with pytest.raises(RunError, match="status is interrupted.*--resume --run-dir"):
        require_finished(run)
    with lock_run(run), pytest.raises(RunError, match="being trained now"):
        require_finished(run)
