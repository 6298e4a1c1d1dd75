"""What ``--resume`` accepts: the same config (more epochs apart), data and machine settings, and a whole checkpoint."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tfpt import runtime
from tfpt.config.loading import load_config
from tfpt.config.paths import with_absolute_paths
from tfpt.config.writing import config_difference, leaf_settings
from tfpt.errors import ConfigError, DataError, RunError
from tfpt.run_directory import Run, find_run, latest_run, lock_run
from tfpt.task import Task
from tfpt.training import checkpoint
from tfpt.training.job import Job, all_variables
from tfpt.training.loop import Loop, restore
from tfpt.training.stored_state import check_state
from tfpt.workflows.run_record import checked_record

MAY_DIFFER = ("train.epochs", "train.checkpoint_seconds", "data.memory_mb", "cache.max_gb")
"""Settings that change nothing of what was computed so far."""


def run_to_resume(task: Task, run_dir: str | None, runs_root: str) -> Run:
    """The run in ``run_dir``, else the newest run of ``task``.

    Raises:
        RunError: there is none, another task's, or one that another process is writing.
    """
    run = find_run(run_dir, runs_root) if run_dir else latest_run(task.name, runs_root)
    record = checked_record(run)
    found = record["task"]
    if record.get("search"):
        raise RunError(f"{run.path} is a trial of the search {record['search']}, which `tfpt tune --resume` goes on "
                       "with; its best.yaml trains the best trial's settings as a run of their own.")
    if found != task.name:
        raise RunError(f"{run.path} holds a run of {found}; this command resumes runs of {task.name}.")
    with lock_run(run):  # one that another process is writing is refused now, not after the data is read
        return run


def settle_config(task: Task, earlier: Run | None, recipe: str | None, settings: Mapping[str, Any],
                  assignments: Sequence[str]) -> Any:
    """The config of a new run, or that of ``earlier`` with what may change.

    Raises:
        ConfigError: a setting won't do, or differs from the run that is resumed.
    """
    if earlier is None:
        names_data = settings.get("data.path") is not None or any(a.startswith("data.path=") for a in assignments)
        chosen = recipe or (None if names_data else task.demo_recipe)
        return task.resolve(load_config(task.config_class, recipe=chosen, settings=settings, assignments=assignments))
    stored: Any = load_config(task.config_class, recipe=earlier.config_file)
    wanted = with_absolute_paths(load_config(task.config_class, base=stored, recipe=recipe, settings=settings,
                                             assignments=assignments))
    changes = {name: (old, new) for name, old, new in config_difference(stored, wanted) if new is not None}
    refused = {name: change for name, change in changes.items() if name not in MAY_DIFFER}
    if refused:
        shown = "; ".join(f"{name}: {old} in the run, {new} now" for name, (old, new) in refused.items())
        raise ConfigError(f"{earlier.path} can't be resumed with another config: {shown}. Leave these out, name "
                          "another run with --run-dir, or start a new one. (--epochs may be raised.)")
    if wanted.train.epochs < stored.train.epochs:
        raise ConfigError(f"{earlier.path} was to train {stored.train.epochs} epochs; on resume --epochs may be "
                          f"raised, not lowered to {wanted.train.epochs}.")
    return load_config(task.config_class, base=stored, settings={name: new for name, (_, new) in changes.items()})


def continue_loop(run: Run, job: Job) -> Loop:
    """The loop at the newest whole checkpoint, or at its beginning if the run was stopped before the first one.

    Raises:
        DataError: the data is not what the run was trained on.
        RunError: another machine setting that changes bits, other callbacks, or a foreign checkpoint.
        CheckFailed: no checkpoint is whole.
    """
    manifest = run.manifest()
    check_same_data(str(run.path), manifest["fingerprints"].get("data", ""), job.splits.fingerprint)
    check_same_environment(str(run.path), manifest["environment"])
    found = checkpoint.load_newest(run.checkpoints, checkpoint.describe(all_variables(job)))
    if found is None:
        job.screen.line("resume", f"{run.path} had no checkpoint yet: from the beginning")
        job.task.load_weights(job.config, job.model)
        return Loop(job)
    snapshot, problems = found
    for problem in problems:
        job.screen.line("resume", f"{problem}; an older one is used")
    state, epochs = snapshot.state, job.config.train.epochs
    check_state(state, f"the newest checkpoint in {run.checkpoints}")
    check_same_config(run, snapshot.config, job.config)
    if state["epoch"] > epochs:
        job.screen.line("resume", f"{run.path} has done its {epochs} epochs; --epochs {2 * epochs} would train longer")
    elif state["step"]:
        job.screen.line("resume", f"{run.path} at epoch {state['epoch']}, after {state['step']} of its "
                                  f"{job.steps_per_epoch} updates")
    else:
        job.screen.line("resume", f"{run.path} at epoch {state['epoch']}")
    trains_longer = epochs > run.manifest()["epochs"]
    return restore(job, replace(snapshot, state={**state, "stopped_early": False}) if trains_longer else snapshot)


def check_same_config(run: Run, before: Mapping[str, Any], config: Any) -> None:
    """RunError if the checkpoint was written under another config than the run's: it is of another run, or config.yaml
    was changed. Settings that came with a newer tfpt, and the place of the data, whose contents are compared, may.
    """
    now = json.loads(json.dumps(leaf_settings(config)))
    changed = [f"{name}: {value} in the checkpoint, {now[name]} in {run.config_file.name}"
               for name, value in before.items()
               if name not in (*MAY_DIFFER, "data.path", "data.data_dir") and name in now and now[name] != value]
    if changed:
        raise RunError(f"The newest checkpoint in {run.checkpoints} was written under another config than that of "
                       f"{run.path}: {'; '.join(changed)}. Bring back the config, remove that checkpoint if it is "
                       "of another run, or start a new run.")


def check_same_data(where: str, before: str, now: str) -> None:
    """DataError if the data's fingerprint is ``now`` another than when the run in ``where`` began."""
    if before != now:
        raise DataError(f"The data has changed since {where} began: its fingerprint was {before[:12]}… and is "
                        f"{now[:12]}… now. Resuming needs the same images under the same labels; start a new run.")


def check_same_environment(where: str, before: Mapping[str, Any]) -> None:
    """RunError if anything that changes bits is another than when the run in ``where`` began."""
    now = runtime.environment()
    changed = [f"{name}: {before.get(name)} then, {value} now" for name, value in now.items()
               if before.get(name) != value]
    if changed:
        raise RunError(f"{where} was trained under other conditions, which change the last bits of every number: "
                       f"{'; '.join(changed)}. Restore them, or start a new run; docs/reliability.md says what each "
                       "one does.")
