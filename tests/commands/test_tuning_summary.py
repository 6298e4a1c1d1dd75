from pathlib import Path

from tests.tuning.results import completed, failed
from tfpt.commands.tuning_summary import tuning_lines
from tfpt.tuning.record import search_record


def record(*results):
    return search_record(tune="x", task="image_classification", status="finished", search="random",
                         objective="accuracy", direction="max", space={}, results=results, best_run=None, shared={},
                         wall_seconds=95.4, seed=0)


def test_the_lines_of_the_tour(tmp_path):
    for name in ("scores.png", "best_so_far.png"):
        (tmp_path / name).touch()
    assert tuning_lines(tmp_path, record(failed(1), completed(2, 0.9281), completed(3, 0.5))) == [
        f"best      trial 2 · val acc 0.928 · {tmp_path}/best.yaml",
        "time      95 s · 3 trials, 1 failed",
        f"files     {tmp_path}: best.yaml, tuning.json, best_so_far.png, scores.png",
        f"next      tfpt finetune-image --config {tmp_path}/best.yaml"]


def test_a_folder_with_a_space_is_quoted_in_the_command():
    assert tuning_lines(Path("my runs"), record(completed(1, 0.5)))[-1].endswith(" --config 'my runs/best.yaml'")


def test_without_a_best_trial_the_reason_stands_there_and_nothing_is_next():
    lines = tuning_lines(Path("r"), record(failed(1, why="out of memory"), failed(2)))
    assert lines == ["best      none: out of memory", "time      95 s · 2 trials, 2 failed",
                     "files     r: tuning.json"]
    assert tuning_lines(Path("r"), record())[:2] == ["best      none", "time      95 s · 0 trials"]
