import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpt.errors import RunError
from tfpt.run_directory import Run, find_run, is_locked, latest_run, list_runs, lock_run, new_run, refuse_taken

HOLD_LOCK = """
import sys, time
from pathlib import Path
from tfpt.run_directory import Run, lock_run
with lock_run(Run(Path(sys.argv[1]))):
    print("locked", flush=True)
    time.sleep(60)
"""


def make_run(root, name, task="image_classification", began=None):
    run = new_run(name, root)
    run.config_file.write_text("train: {}\n")
    run.update_manifest(task=task, status="finished")
    if began is not None:
        os.utime(run.config_file, (began, began))
    return run


def new_names(root, count):
    return [new_run("race", root).name for _ in range(count)]


def test_runs_are_numbered_by_name(tmp_path):
    root = tmp_path / "deep" / "runs"
    names = [new_run(name, root).name for name in ("photos", "photos", "birds")]
    assert names == ["photos-0001", "photos-0002", "birds-0001"]
    (root / "photos-0041").mkdir()
    (root / "photos-x-0099").mkdir()
    assert new_run("photos", root).name == "photos-0042"


def test_processes_and_threads_that_race_get_different_numbers(tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        names = sum(pool.starmap(new_names, [(tmp_path, 10)] * 3), [])
    with ThreadPoolExecutor(4) as threads:
        names += sum(threads.map(lambda _: new_names(tmp_path, 10), range(4)), [])
    assert len(set(names)) == 70 == len(list(tmp_path.iterdir()))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_any_name_makes_a_visible_folder_inside_the_root(tmp_path_factory, name):
    root = tmp_path_factory.mktemp("runs")
    run = new_run(name, root)
    assert run.path.parent == root and run.path.is_dir() and not run.name.startswith((".", "-"))


def test_a_chosen_directory_is_made_and_refused_once_it_holds_a_run(tmp_path):
    chosen = tmp_path / "a" / "b"
    assert new_run("x", tmp_path / "runs", chosen).path == chosen and list(chosen.iterdir()) == []
    assert new_run("x", run_dir=chosen).path == chosen
    Run(chosen).update_manifest(status="running")
    with pytest.raises(RunError, match="another run in the directory.*--resume"):
        new_run("x", run_dir=chosen)


@pytest.mark.parametrize("options", [{"runs_root": "file/runs"}, {"run_dir": "file/run"}, {"run_dir": "/proc/run"}])
def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("in the way")
    with pytest.raises(RunError, match="Expected to write") as caught:
        new_run("x", **options)
    assert "--run-dir" in str(caught.value)


def test_the_manifest_is_updated_key_by_key(tmp_path):
    run = Run(tmp_path)
    run.update_manifest(status="running", seed=3)
    run.update_manifest(status="finished", metrics={"test": {"accuracy": np.float32(0.5)}}, path=tmp_path,
                        bad=[float("nan"), float("inf")], counts=np.array([1, 2]))
    assert run.manifest() == {"status": "finished", "seed": 3, "metrics": {"test": {"accuracy": 0.5}},
                              "path": str(tmp_path), "bad": [None, None], "counts": [1, 2]}
    assert run.metrics == {"test": {"accuracy": 0.5}}


def test_a_missing_manifest_and_config_say_what_to_do(tmp_path):
    with pytest.raises(RunError, match="tfpt runs"):
        Run(tmp_path).manifest()
    with pytest.raises(RunError, match="start a new one"):
        Run(tmp_path).config_text()


def test_runs_are_found_by_path_and_by_name(tmp_path):
    root = tmp_path / "runs"
    run = make_run(root, "photos")
    assert find_run(run.path, root) == find_run("photos-0001", root) == run
    assert find_run(run.path).config_text() == "train: {}\n"


@pytest.mark.parametrize(("name", "part"), [
    ("photo-0001", "Did you mean photos-0001?"), ("zzz", "`tfpt runs` lists"), (".", "holds no run.json"),
    ("x" * 5000, "no folder"),
])
def test_a_run_that_is_not_there_gets_the_nearest_name(tmp_path, monkeypatch, name, part):
    monkeypatch.chdir(tmp_path)
    make_run("runs", "photos")
    with pytest.raises(RunError) as caught:
        find_run(name)
    assert part in str(caught.value)


def test_runs_are_listed_by_age_and_the_latest_of_a_task_is_found(tmp_path):
    old, new = make_run(tmp_path, "b", began=1000), make_run(tmp_path, "a", began=2000)
    other = make_run(tmp_path, "c", task="other", began=3000)
    (tmp_path / "no-run").mkdir()
    (tmp_path / "file").touch()
    assert list_runs(tmp_path) == [old, new, other] and list_runs(tmp_path / "none") == []
    other.manifest_file.write_text("{")
    assert latest_run("image_classification", tmp_path) == new
    with pytest.raises(RunError, match="there is none"):
        latest_run("other", tmp_path)


def test_a_clock_that_was_set_back_does_not_make_an_old_run_the_newest(tmp_path):
    """Of one name the number counts, in digits as many as it takes; of several names, when the last of each began."""
    for number, began in ((9, 5000), (10, 4000), (9999, 100), (10000, 200)):
        (tmp_path / f"photos-{number:04d}").mkdir()
        run = Run(tmp_path / f"photos-{number:04d}")
        run.config_file.write_text("train: {}\n")
        run.update_manifest(task="image_classification", began=datetime.fromtimestamp(began, timezone.utc).isoformat())
    before, later = make_run(tmp_path, "birds", began=4500), make_run(tmp_path, "fish", began=6000)
    photos = [Run(tmp_path / f"photos-{number}") for number in ("0009", "0010", "9999", "10000")]
    for run in (before, later):
        run.update_manifest(began=None)
        os.utime(run.path, (4500, 4500) if run == before else (6000, 6000))
    assert list_runs(tmp_path) == [before, *photos, later]
    shutil.rmtree(later.path)
    assert latest_run("image_classification", tmp_path) == photos[-1]


def test_one_writer_at_a_time(tmp_path):
    run = Run(tmp_path)
    assert not is_locked(run)
    with lock_run(run):
        assert is_locked(run)
        with pytest.raises(RunError, match=f"process {os.getpid()} is writing"):
            with lock_run(run):
                pass
        assert is_locked(run)
    assert not is_locked(run)
    with lock_run(run):
        pass


def test_the_lock_of_a_killed_process_is_free_again(tmp_path):
    run = Run(tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLD_LOCK, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(RunError, match=f"process {holder.pid} is writing"):
            with lock_run(run):
                pass
    finally:
        holder.kill()
        holder.communicate()
    with lock_run(run):
        assert run.lock_file.read_text() == str(os.getpid())


def test_the_lock_of_a_killed_process_is_free_though_its_number_and_its_child_live_on(tmp_path):
    """The number in the file is that of a process which is another program's by now."""
    run = Run(tmp_path)
    with_child = HOLD_LOCK.replace("    print", "    import subprocess\n    child = subprocess.Popen(['sleep', '60'])\n"
                                   "    print(child.pid)\n    print")
    holder = subprocess.Popen([sys.executable, "-c", with_child, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    child = int(holder.stdout.readline())
    try:
        assert holder.stdout.readline() == "locked\n" and is_locked(run)
        holder.kill()
        holder.wait()
        run.lock_file.write_text(str(child))
        os.kill(child, 0)  # it is there
        assert not is_locked(run)
        with lock_run(run):
            assert run.lock_file.read_text() == str(os.getpid())
    finally:
        os.kill(child, signal.SIGKILL)
        holder.kill()
        holder.communicate()


def test_a_lock_that_can_not_be_written_is_one_clear_error(tmp_path):
    """A disk may be so full that there is no room for a number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        with pytest.raises(RunError, match="Expected to write .*, but: File too large"):
            with lock_run(Run(tmp_path)):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not is_locked(Run(tmp_path))


def test_the_lock_is_released_when_the_body_fails(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with lock_run(Run(tmp_path)):
            raise ZeroDivisionError
    assert not is_locked(Run(tmp_path))


def test_the_manifest_is_plain_json_in_utf8(tmp_path):
    Run(tmp_path).update_manifest(run="fotos-ä")
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8")) == {"run": "fotos-ä"}
    assert "ä" in (tmp_path / "run.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("manifest", [{}, {"task": "image_classification"}, {"task": ["image_classification"]}])
def test_a_damaged_record_is_named_not_stumbled_over(tmp_path, manifest):
    run = Run(tmp_path)
    run.update_manifest(**manifest)
    with pytest.raises(RunError, match="damaged"):
        run.training_record()


@pytest.mark.parametrize(("config", "message"), [(None, "can't be read"), ("", "is empty"), (" \n", "is empty")])
def test_a_record_without_a_config_is_no_record(tmp_path, config, message):
    run = Run(tmp_path)
    run.update_manifest(task="x", metadata={}, fingerprints={"data": "ab"}, environment={}, epochs=1)
    if config is not None:
        run.config_file.write_text(config)
    with pytest.raises(RunError, match=f"Expected the run's config in .*config.yaml, but it {message}"):
        run.training_record()
    run.config_file.write_text("train: {}\n")
    assert run.training_record() == run.manifest()


@pytest.mark.parametrize("began", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "yesterday", 3, None])
def test_a_time_that_cannot_be_is_that_of_the_folder(tmp_path, began):
    run = make_run(tmp_path, "a")
    run.update_manifest(began=began)
    assert run.started() == run.path.stat().st_mtime


@pytest.mark.parametrize(("place", "message"), [
    ("file", "Expected to write file, but file is no directory"), ("file/a/b", "but file is no directory"),
    (os.fsdecode(b"caf\xe9"), "UTF-8 text")])
def test_a_place_where_no_run_can_be_is_told_before_anything_is_made(tmp_path, monkeypatch, place, message):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(RunError, match=message):
        refuse_taken(place)
    refuse_taken("new/run")
    assert os.listdir() == ["file"]
