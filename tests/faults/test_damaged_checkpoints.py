"""Checkpoints that something damaged, or that another run wrote: named, and the newest whole one taken, to the same
bits; or refused, and what differs is shown.
"""

import os
import random
import shutil
import signal
import time
from dataclasses import replace

import pytest

from tests.faults.killed_runs import differences, ended, finished, started
from tests.training.small_jobs import CONFIG, small_job
from tests.training.test_loop import StopAfter, bits
from tfpt import runtime
from tfpt.errors import CheckFailed, Interrupted, RunError
from tfpt.run_directory import Run
from tfpt.training import checkpoint, timed_calls
from tfpt.training.job import all_variables
from tfpt.training.loop import Loop
from tfpt.workflows.resume import continue_loop

FILES = (checkpoint.ARRAYS, checkpoint.BEST, checkpoint.MANIFEST, checkpoint.DIGESTS)
DAMAGES = {
    "truncated": lambda content, draw: content[:draw.randrange(1, len(content))],
    "flipped": lambda content, draw: flipped(content, draw.randrange(8 * len(content))),
    "empty": lambda content, draw: b"",
    "longer": lambda content, draw: content + draw.randbytes(draw.randint(1, 600)),
    "zeros": lambda content, draw: zeros(content, draw.randrange(len(content) - 64)),
    "missing": lambda content, draw: None}
SEEDS = 8
A_YEAR = 365 * 86400


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def zeros(content, start):
    """A block that the disk has lost; of another kind where there were zeros anyway."""
    return content[:start] + bytes([0 if any(content[start:start + 64]) else 1] * 64) + content[start + 64:]


def damage(file, kind, draw):
    content = DAMAGES[kind](file.read_bytes(), draw)
    file.unlink()
    if content is not None:
        file.write_bytes(content)


def newest_two(folder):
    return sorted(folder.iterdir())[-2:]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A small training, stopped in the middle of its last epoch, as run directory; bits and metrics of its end."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timed_calls, "CALL_SECONDS", 1e-6)
        config = replace(CONFIG, train=replace(CONFIG.train, checkpoint_seconds=1e-9))
        with pytest.raises(Interrupted):
            Loop(small_job(folder, config, stop_signal=StopAfter(26))).run()
    Run(folder).config_file.write_text("train: {}\n")
    Run(folder).update_manifest(fingerprints={"data": ""}, environment=runtime.environment(), epochs=3)
    job = small_job(tmp_path_factory.mktemp("whole"))
    Loop(job).run()
    return folder, bits(job), job.metrics_file.read_text()


@pytest.fixture
def copied(stopped, tmp_path):
    return shutil.copytree(stopped[0], tmp_path / "run")


def description_of(folder):
    return checkpoint.describe(all_variables(small_job(folder)))


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_anywhere_is_named_and_the_one_before_taken(copied, kind):
    older, newest = newest_two(copied / "checkpoints")
    description, backup = description_of(copied), shutil.copytree(newest, copied / "backup")
    for file in FILES:
        for seed in range(SEEDS):
            damage(newest / file, kind, random.Random(f"{kind} {file} {seed}"))
            found, problems = checkpoint.load_newest(copied / "checkpoints", description)
            assert f"{found.state['epoch']:05d}-{found.state['step']:08d}" == older.name, (file, seed)
            assert len(problems) == 1 and f"{newest} is damaged" in problems[0]
            assert file in problems[0] or file == checkpoint.DIGESTS
            assert kind == "missing" or file == checkpoint.DIGESTS or "has sha256" in problems[0]
            shutil.copy(backup / file, newest / file)
    assert checkpoint.load_newest(copied / "checkpoints", description)[1] == []


@pytest.mark.parametrize("kind", ["truncated", "flipped"])
def test_past_a_damaged_one_it_goes_on_to_the_same_bits(stopped, copied, kind):
    damage(newest_two(copied / "checkpoints")[1] / checkpoint.ARRAYS, kind, random.Random(kind))
    job = small_job(copied)
    continue_loop(Run(copied), job).run()
    assert (bits(job), job.metrics_file.read_text()) == stopped[1:]


def test_with_none_that_is_whole_it_ends_saying_what_is_wrong_with_each(copied):
    folders = sorted((copied / "checkpoints").iterdir())
    for folder in folders:
        damage(folder / checkpoint.BEST, "flipped", random.Random(folder.name))
    with pytest.raises(CheckFailed, match="No whole checkpoint is left") as caught:
        continue_loop(Run(copied), small_job(copied))
    assert caught.value.exit_code == 4 and len(folders) == 3
    assert all(f"{folder} is damaged (best.npz has sha256" in str(caught.value) for folder in folders)


def rewritten(folder, **changes):
    """The newest checkpoint of ``folder`` as another run would have written it: every checksum is right."""
    description = description_of(folder)
    found, _ = checkpoint.load_newest(folder / "checkpoints", description)
    arrays = changes.pop("arrays", found.arrays)
    description = [{**about, "shape": list(array.shape)} for about, array in zip(description, arrays, strict=True)]
    return checkpoint.save(folder / "checkpoints", replace(found, arrays=arrays, **changes), description)


def test_one_of_another_model_is_refused_with_the_first_difference(copied):
    found, _ = checkpoint.load_newest(copied / "checkpoints", description_of(copied))
    place = rewritten(copied, arrays=[array[..., :-1] if array.ndim == 4 else array for array in found.arrays])
    with pytest.raises(RunError, match=r"Tensor 0 of .* is .*\[3, 3, 3, \d\] float32, this run has .*\[3, 3, 3, \d\] "
                                       "float32: it was written by another model or optimizer") as caught:
        continue_loop(Run(copied), small_job(copied))
    assert caught.value.exit_code == 2 and str(place) in str(caught.value)


def test_one_of_another_config_is_refused_with_the_difference(copied):
    found, _ = checkpoint.load_newest(copied / "checkpoints", description_of(copied))
    assert found.config["optimizer.learning_rate"] == 0.001
    rewritten(copied, config={**found.config, "optimizer.learning_rate": 0.5, "train.epochs": 9})
    difference = "optimizer.learning_rate: 0.5 in the checkpoint, 0.001 in config.yaml"
    with pytest.raises(RunError, match=difference) as caught:
        continue_loop(Run(copied), small_job(copied))
    assert caught.value.exit_code == 2


def test_a_setting_that_came_with_a_newer_tfpt_and_moved_data_are_no_difference(stopped, copied):
    found, _ = checkpoint.load_newest(copied / "checkpoints", description_of(copied))
    older = {name: value for name, value in found.config.items() if name != "optimizer.clip_norm"}
    rewritten(copied, config={**older, "data.path": "/elsewhere"})
    job = small_job(copied)
    continue_loop(Run(copied), job).run()
    assert (bits(job), job.metrics_file.read_text()) == stopped[1:]


def test_killed_damaged_and_resumed_under_a_clock_that_was_set_back_it_ends_with_the_same_bits(whole_run, tmp_path):
    """Real processes. All files are from next year, and the older the checkpoint the later."""
    task, run_dir = "image_classification", tmp_path / "run"
    whole = whole_run(task)
    code, text = ended(started(task, run_dir, "train.checkpoint_seconds=0.001", moment="late update:4:0"))
    assert code == -signal.SIGKILL, text
    older, newest = newest_two(run_dir / "checkpoints")
    damage(newest / checkpoint.ARRAYS, "flipped", random.Random("newest"))
    damage(older / checkpoint.MANIFEST, "truncated", random.Random("older"))
    for number, path in enumerate(sorted(tmp_path.rglob("*"), reverse=True)):
        os.utime(path, (time.time() + A_YEAR + number,) * 2)
    text = finished(task, run_dir, "--resume")
    for place, file in ((newest, checkpoint.ARRAYS), (older, checkpoint.MANIFEST)):
        assert f"{place} is damaged ({file} has sha256" in text
    assert text.count("an older one is used") == 2
    assert differences(whole.result()[0], run_dir) == []


def test_the_count_of_damages(capsys):
    with capsys.disabled():
        print(f"\n{len(DAMAGES) * len(FILES) * SEEDS} damages to the files of a checkpoint")
