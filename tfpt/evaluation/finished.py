"""Whether a run is finished, told from its record alone."""

from tfpt.errors import RunError
from tfpt.run_directory import Run, is_locked


def require_finished(run: Run) -> None:
    """RunError unless the run's training ended well; it says how to get there."""
    status = run.manifest().get("status")
    if status == "finished":
        return
    if is_locked(run):
        raise RunError(f"The run {run.path} is being trained now, so it has no final model yet. Wait until it is done; "
                       "tfpt runs shows how it stands.")
    raise RunError(f"The run {run.path} is not finished (its status is {status}), so it has no final model. "
                   f"Finish it with tfpt finetune-image --resume --run-dir {run.path}")
