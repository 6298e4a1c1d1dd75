"""A disk that is full or takes no files: told before the training where it can be known, in one paragraph; what was
saved stays as it was, and ``--resume`` goes on from it to the same bits.
"""

import json
import re
import resource
import shutil
from types import SimpleNamespace

import keras
import pytest

from tests.faults.killed_runs import differences, ended, finished, started
from tests.faults.small_disks import small_disk
from tfpt.errors import RunError
from tfpt.training import checkpoint
from tfpt.workflows.results import _save_keras
from tfpt.workflows.train import train

TASK = "image_classification"
LITTLE_CAN_BE_WRITTEN = ("sh", "-c", 'ulimit -f 1; exec "$@"', "sh")  # the kernel takes no file of two kilobytes


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A folder on a small disk; where the kernel lets nobody have one, an ordinary folder."""
    folder = tmp_path_factory.mktemp("disk")
    with small_disk(folder / "small", "60m") as small:
        yield small or folder


def paragraph(text):
    """The error, which is all that comes after what the training says of itself."""
    assert "Traceback" not in text
    line = text.splitlines()[-1]
    assert line.startswith("tfpt: ") and text.count("tfpt: ") == 1
    return line


def test_a_disk_that_fills_up_leaves_what_was_saved_and_the_training_goes_on_once_there_is_room(whole_run, disk):
    whole, run = whole_run(TASK), disk / "run"
    code, text = ended(started(TASK, run, "train.checkpoint_seconds=0.001", moment="disk:3:0"))
    assert code == 2
    told = (r"checkpoints/00003-00000003 could not be written: (No space left on device|File too large)\. "
            r"Earlier ones, if there are any, are intact; make room and go on with --resume\.")
    assert re.search(told, paragraph(text))
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == ["00003-00000000", "00003-00000001", "00003-00000002"]
    about = json.loads((run / "checkpoints" / names[-1] / checkpoint.MANIFEST).read_text())["arrays"]
    found, problems = checkpoint.load_newest(run / "checkpoints", about)
    assert problems == [] and found.state["step"] == 2

    code, text = ended(started(TASK, run, "--resume", ahead=LITTLE_CAN_BE_WRITTEN))
    assert code == 2 and re.search(f"Expected (to write|room for at least .* on the disk of) {run}", paragraph(text))

    (disk / "run.filler").unlink(missing_ok=True)
    finished(TASK, run, "--resume")
    assert differences(whole.result()[0], run) == []


def test_a_model_for_which_there_is_no_room_is_one_clear_error(tmp_path):
    """The room was there when the training began."""
    model = keras.Sequential([keras.Input([64]), keras.layers.Dense(64)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, before[1]))
        with pytest.raises(RunError, match="Expected to write .*/model.keras, but: .*--run-dir"):
            _save_keras(model, tmp_path / "model.keras")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.glob("model*")) == []


def test_too_small_a_disk_is_told_before_the_training(tmp_path, monkeypatch):
    with small_disk(tmp_path / "small", "9m") as small:
        if small is None:
            monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(total=9 * 2**20, free=9 * 2**20))
        folder = small or tmp_path / "small"
        with pytest.raises(RunError, match="Expected room for at least [0-9]+ MB on the disk of .*, but it has 9.4 MB "
                                           "left. Make room, or choose a directory on another disk with --run-dir"):
            train(TASK, recipe=f"{TASK}/tiny", run_dir=str(folder / "run"), quiet=True,
                  tensorboard_root=str(tmp_path / "tensorboard"))
        assert not (folder / "run").exists() and not (tmp_path / "tensorboard").exists()


@pytest.mark.parametrize("option", ["run_dir", "runs_root", "tensorboard_root"])
def test_a_folder_that_takes_no_files_is_told_before_the_training(tmp_path, option):
    """Nobody, root included, can write where the kernel shows its own settings."""
    places = {"runs_root": str(tmp_path / "runs"), "tensorboard_root": str(tmp_path / "tensorboard")}
    with pytest.raises(RunError, match="Expected to write /proc/sys[a-z/]*, but: ") as caught:
        train(TASK, recipe=f"{TASK}/tiny", quiet=True, **{**places, option: "/proc/sys"})
    assert caught.value.exit_code == 2 and not (tmp_path / "runs").exists()
