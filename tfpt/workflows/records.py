"""run.json over the life of a training: what it was asked, how it stands, what came out."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from tfpt import runtime
from tfpt.atomic_files import atomic_write_text
from tfpt.config.writing import to_yaml
from tfpt.errors import Interrupted, TfptError
from tfpt.run_directory import Run
from tfpt.task import Splits, Task
from tfpt.training.loop import Loop
from tfpt.workflows.plan import Plan, phase_records


def begin_record(run: Run, task: Task, config: Any, splits: Splits, plan: Plan) -> None:
    """Write config.yaml and the first run.json; on resume they are brought up to date."""
    now = datetime.now(timezone.utc).isoformat()
    counts = {part: len(getattr(splits, part)) for part in ("train", "validation", "test")}
    run.update_manifest(
        run=str(run.path), task=task.name, status="running", why=None,
        began=run.manifest().get("began", now) if run.manifest_file.exists() else now,
        epochs=config.train.epochs, phases=phase_records(plan), seed=config.train.seed, cache=plan.cache.record(),
        data={"path": config.data.path, "summary": splits.summary, **counts,
              "left_out": [asdict(item) for item in splits.left_out]},
        metadata=dict(splits.metadata), fingerprints={"data": splits.fingerprint},
        environment=runtime.environment(), versions=runtime.versions())
    atomic_write_text(run.config_file, to_yaml(config))


@contextlib.contextmanager
def status_record(run: Run, loop: Loop | None = None) -> Iterator[None]:
    """While the block runs, run.json says running; if it ends by an error, interrupted or failed and why.

    What went wrong in ``loop`` and was mended is recorded too.
    """
    def record_end(status: str, why: str | None) -> None:
        # The user is to read of what ended the training, not that the disk, as may be for the same reason, failed then.
        with contextlib.suppress(TfptError):
            if run.manifest_file.exists():
                mended = {"recoveries": loop.state.recoveries} if loop else {}
                run.update_manifest(status=status, why=why, **mended)

    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        record_end("interrupted", None)
        raise
    except Exception as problem:
        record_end("failed", f"{type(problem).__name__}: {problem}")
        raise


def finish_record(run: Run, task: Task, loop: Loop, scores: Mapping[str, Any],
                  wall_seconds: Mapping[str, float]) -> None:
    """The final run.json: metrics of the best model, and where the time went, earlier processes included.

    ``wall_seconds`` holds this process's ``find_lr``, ``data``, ``test`` and ``total``.
    """
    best, spent = loop.state.best or {}, loop.state.wall_seconds
    earlier_seconds = sum(spent.values()) - loop.own_seconds()
    seconds = {"total": wall_seconds["total"] + earlier_seconds, "data": wall_seconds["data"],
               "find_lr": wall_seconds["find_lr"], "prefix": spent["prefix"], "trace": spent["trace"],
               "train": spent["train"], "evaluate": spent["validation"] + wall_seconds["test"]}
    speed = loop.state.timed_examples / spent["train"] if spent["train"] else None
    rows = {"computed_rows": loop.cache.computed_rows, "loaded_rows": loop.cache.loaded_rows} if loop.cache else {}
    run.update_manifest(
        status="finished", why=None, cache={**run.manifest()["cache"], **rows}, best_epoch=best.get("epoch"),
        recoveries=loop.state.recoveries,
        metrics={"validation": best.get("validation"), "test": {name: scores[name] for name in task.headline}},
        wall_seconds={name: round(value, 2) for name, value in seconds.items()},
        examples_per_second=None if speed is None else round(speed, 1))
