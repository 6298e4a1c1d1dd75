"""Every task can be tuned over the space that it brings, and the winner trained by itself has the trial's numbers."""

import json

import pytest

from tfpt.registry import TASKS
from tfpt.workflows.train import train
from tfpt.workflows.tune import tune


@pytest.mark.parametrize("task", TASKS)
def test_a_search_over_the_tasks_own_space(task, tmp_path):
    where = {"runs_root": str(tmp_path / "runs"), "tensorboard_root": str(tmp_path / "tensorboard"), "quiet": True}
    search = tune(task, recipe=f"{task}/tiny", settings={"cache.dtype": "float32", "cache.fold_batch_norm": False},
                  trials=2, **where)
    record = search.record()
    assert len(record["trials"]) == 2 and all(trial["why"] for trial in record["trials"] if trial["score"] is None)
    run = train(task, recipe=str(search.best_config_file), **where)
    trial = search.trial(record["best"]["number"])
    assert [json.loads(line) for line in run.metrics_file.open()] == [json.loads(line) for line in
                                                                      trial.metrics_file.open()]
