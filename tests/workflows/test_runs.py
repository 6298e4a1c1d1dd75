from datetime import datetime, timezone

from tfpt.run_directory import lock_run, new_run
from tfpt.workflows.runs import runs_table


def make(root, began, **manifest):
    run = new_run("photos", root)
    run.config_file.write_text("data: {path: photos/}\n")
    run.update_manifest(began=datetime.fromtimestamp(began, timezone.utc).isoformat(), **manifest)
    return run


def test_a_row_tells_the_run_in_a_line(tmp_path):
    make(tmp_path, 86400 * 365, task="image_classification", status="finished",
         phases=[{"from_epoch": 1, "unfreeze": 0}, {"from_epoch": 4, "unfreeze": 10}],
         metrics={"test": {"accuracy": 0.912}})
    row, = runs_table(tmp_path)
    assert row.pop("when").startswith(("1970-12-31", "1971-01-01"))
    assert row == {"run": "photos-0001", "task": "image_classification", "status": "finished", "data": "photos/",
                   "schedule": "0 → 10", "score": 0.912}


def test_a_run_that_is_running_holds_its_lock_and_a_killed_one_does_not(tmp_path):
    run = make(tmp_path, 1, status="running")
    with lock_run(run):
        assert runs_table(tmp_path)[0]["status"] == "running"
    assert runs_table(tmp_path)[0]["status"] == "interrupted"


def test_half_written_and_broken_runs_keep_their_row(tmp_path):
    make(tmp_path, 1, status="finished", phases="x", metrics=[1])
    make(tmp_path, 2).manifest_file.write_text("{")
    make(tmp_path, 3).config_file.write_text("a: [")
    make(tmp_path, 4).config_file.write_text("- 1")
    make(tmp_path, 5).manifest_file.unlink()
    rows = runs_table(tmp_path)
    assert len(rows) == 5 and all(row["score"] is None and row["schedule"] is None for row in rows)
    assert sorted(row["status"] for row in rows) == ["broken"] * 4 + ["finished"]


def test_no_folder_is_no_runs(tmp_path):
    assert runs_table(tmp_path / "none") == []
