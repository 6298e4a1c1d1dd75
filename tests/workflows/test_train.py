"""The training workflow: what is refused leaves nothing behind, what is asked for happens."""

import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import yaml

from tests.data.image_files import class_folders
from tfpt.errors import CheckFailed, RunError, TrainingFailed, UsageError
from tfpt.run_directory import find_run
from tfpt.workflows.train import train

TASK = "image_classification"
SMALL = {"train.epochs": 2, "freeze.head_epochs": 1, "augment.rotation": 0.0, "augment.zoom": 0.0,
         "augment.contrast": 0.0}


def small_train(folder, **arguments):
    settings = {**SMALL, **arguments.pop("settings", {})}
    places = {"runs_root": str(folder / "runs"), "tensorboard_root": str(folder / "tensorboard")}
    return train(TASK, recipe=f"{TASK}/tiny", settings=settings, **{"quiet": True, **places, **arguments})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, small_train(folder)


def nothing_written(folder):
    return not (folder / "runs").exists() and not (folder / "tensorboard").exists()


@pytest.mark.parametrize("settings, words", [
    ({"data.path": "nowhere/"}, "no folder"),
    ({"freeze.unfreeze": -1}, "0 to 153"),
    ({"freeze.unfreeze": 154}, "0 to 153"),
    ({"freeze.unfreeze": "block_99"}, "Did you mean"),
    ({"freeze.head_epochs": 2}, "never be reached"),
    ({"freeze.phases": [{"from_epoch": 1}]}, "give one of them"),
    ({"train.seed": 2 ** 32}, "at most"),
    ({"data.image_size": 31}, "32"),
    ({"model.alpha": -1.0}, "above 0"),
    ({"model.backbone": "MobileNetV9"}, "MobileNetV2"),
    ({"model.weights": "imagnet"}, "imagenet"),
    ({"train.epoch": 3}, "train.epochs"),
    ({"train.batch_size": "many"}, "batch_size"),
    ({"data.train_per_class": 100000}, "train_per_class"),
    ({"loss.class_weights": {"eleven": 2.0}}, "eleven"),
    ({"optimizer.warmup_epochs": 2}, "warmup_epochs"),
    ({"augment.mixup": 0.2, "train.batch_size": 1, "train.accumulation_steps": 1}, "leaves none to mix with"),
    ({"augment.erasing": 1.5}, "at most 1"),
    ({"augment.randaugment": 2}, "operations, magnitude"),
    ({"augment.randaugment.magnitude": 11}, "at most 10"),
    ({"loss.focal_gamma": -1}, "at least 0"),
    ({"optimizer.schedule": "exponential", "optimizer.final_rate": 0}, "final_rate"),
])
def test_bad_settings_are_refused_and_nothing_is_written(tmp_path, settings, words):
    with pytest.raises(UsageError, match=words) as caught:
        small_train(tmp_path, settings=settings)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    assert nothing_written(tmp_path)


@pytest.mark.parametrize("counts, words", [({"one": 9}, "at least two"), ({"one": 9, "two": 2}, "class two has 2")])
def test_data_that_is_not_enough_is_refused(tmp_path, counts, words):
    with pytest.raises(UsageError, match=words):
        small_train(tmp_path, settings={"data.path": str(class_folders(tmp_path / "data", counts)),
                                        "data.train_per_class": None})
    assert nothing_written(tmp_path)


def test_a_place_that_is_not_writable_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError):
        small_train(tmp_path, run_dir=str(tmp_path / "file" / "run"))
    assert nothing_written(tmp_path)


def test_a_tensorboard_folder_that_is_not_writable_is_refused_before_training(tmp_path):
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(RunError, match="tensorboard"):
        small_train(tmp_path)
    with pytest.raises(RunError, match="Expected to write /proc/sys, but: "):  # there, but no place for files
        small_train(tmp_path, tensorboard_root="/proc/sys")
    assert not (tmp_path / "runs").exists()


def test_a_disk_without_room_for_the_checkpoints_and_the_model_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(total=10**9, free=10**7))
    with pytest.raises(RunError, match="room for at least 2[0-9] MB .* has 10 MB left.*--run-dir"):
        small_train(tmp_path, run_dir=str(tmp_path / "new" / "run"))
    assert nothing_written(tmp_path) and not (tmp_path / "new").exists()


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path, capsys):
    assert small_train(tmp_path, dry_run=True, quiet=False) is None
    shown = capsys.readouterr().out
    assert "epoch 1" in shown and "+ last 10 of 153 layers" in shown and "head 1280 → 16 → 10" in shown
    assert nothing_written(tmp_path)


def test_a_finished_run_holds_what_it_was_asked(finished):
    _, run = finished
    manifest = run.manifest()
    assert [phase["unfreeze"] for phase in manifest["phases"]] == [0, 10]
    assert manifest["phases"][0]["trainable_parameters"] == 1280 * 16 + 16 + 16 * 10 + 10
    assert yaml.safe_load(run.config_file.read_text())["train"]["epochs"] == 2
    assert manifest["data"]["train"] == 120 and manifest["status"] == "finished"


def test_the_best_model_is_the_one_that_is_kept(finished):
    _, run = finished
    lines = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    best = max(lines, key=lambda line: (line["validation_accuracy"], -line["validation_loss"]))
    assert run.manifest()["best_epoch"] == best["epoch"]
    assert run.manifest()["metrics"]["validation"]["loss"] == best["validation_loss"]


def test_another_run_in_the_directory_is_refused(finished):
    folder, run = finished
    before = run.manifest_file.read_bytes()
    with pytest.raises(RunError, match="resume"):
        small_train(folder, run_dir=str(run.path))
    assert run.manifest_file.read_bytes() == before


def test_resume_refuses_another_config_and_shows_the_difference(finished):
    folder, run = finished
    with pytest.raises(UsageError, match="optimizer.learning_rate: 0.01 in the run, 0.5 now"):
        train(TASK, settings={"optimizer.learning_rate": 0.5}, run_dir=str(run.path), resume=True, quiet=True)


def test_resume_refuses_changed_data_and_another_thread_count(finished, tmp_path):
    _, run = finished
    manifest = run.manifest()
    for changes, words in [({"fingerprints": {"data": "0" * 64}}, "data has changed"),
                           ({"environment": {**manifest["environment"], "intra_op_threads": 99}}, "intra_op_threads")]:
        run.update_manifest(**changes)
        changed = run.manifest_file.read_bytes()
        with pytest.raises(UsageError, match=words):
            train(TASK, run_dir=str(run.path), resume=True, quiet=True)
        assert run.manifest_file.read_bytes() == changed, "a refused resume must leave the run as it was"
        run.update_manifest(**manifest)


def test_resume_refuses_fewer_epochs_and_other_callbacks(finished):
    _, run = finished
    with pytest.raises(UsageError, match="may be raised, not lowered to 1"):
        train(TASK, settings={"train.epochs": 1}, run_dir=str(run.path), resume=True, quiet=True)
    with pytest.raises(UsageError, match="callbacks"):
        train(TASK, settings={"train.epochs": 3}, run_dir=str(run.path), resume=True, quiet=True,
              callbacks=[keras.callbacks.LambdaCallback()], tensorboard_root=str(run.path / "tensorboard"))


def test_resume_needs_neither_the_weights_nor_the_folder_it_began_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = small_train(tmp_path)
    class_folders(tmp_path / "photos", {"one": 6, "two": 6})
    began = small_train(tmp_path, settings={"data.path": "photos", "data.train_per_class": 4,
                                            "model.weights": source.name, "data.validation": 0.2, "data.test": 0.2})
    shutil.rmtree(source.path)
    monkeypatch.chdir("/")
    again = train(TASK, settings={"train.epochs": 3}, run_dir=str(began.path), resume=True, quiet=True,
                  tensorboard_root=str(tmp_path / "tensorboard"))
    assert len(again.metrics_file.read_text().splitlines()) == 3
    assert again.started() == pytest.approx(began.started(), abs=1e-3)


def test_resume_trains_longer_with_the_users_callbacks(tmp_path):
    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((epoch, sorted(logs))))
    run = small_train(tmp_path, callbacks=[callback])
    again = train(TASK, settings={"train.epochs": 3}, run_dir=str(run.path), resume=True, callbacks=[callback],
                  tensorboard_root=str(tmp_path / "tensorboard"), quiet=True)
    names = ["accuracy", "learning_rate", "loss", "val_accuracy", "val_loss"]
    assert seen == [(0, names), (1, names), (2, names)]
    assert len(again.metrics_file.read_text().splitlines()) == 3
    assert find_run(again.path).manifest()["epochs"] == 3


def test_a_callback_may_stop_the_training(tmp_path):
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(stop.model, "stop_training", True))
    run = small_train(tmp_path, callbacks=[stop])
    assert len(run.metrics_file.read_text().splitlines()) == 1 and run.manifest()["status"] == "finished"


def test_a_loss_that_is_not_finite_ends_the_run_with_exit_code_3(tmp_path):
    with pytest.raises(TrainingFailed, match="diverged") as caught:
        small_train(tmp_path, settings={"optimizer.name": "sgd", "optimizer.learning_rate": 1e30,
                                        "optimizer.clip_norm": None, "optimizer.warmup_epochs": 0})
    assert caught.value.exit_code == 3
    (manifest,) = [json.loads(file.read_text()) for file in (tmp_path / "runs").glob("*/run.json")]
    assert manifest["status"] == "failed" and "diverged" in manifest["why"]


def test_a_weight_that_moves_though_it_is_frozen_fails_the_check(tmp_path):
    """The callback plays a bug that trains a frozen layer."""
    def spoil(epoch, logs):
        kernel = callback.model.get_layer("Conv1").kernel
        kernel.assign(kernel + 1.0)
    callback = keras.callbacks.LambdaCallback(on_epoch_begin=spoil)
    with pytest.raises(CheckFailed, match="Conv1/kernel") as caught:
        small_train(tmp_path, callbacks=[callback])
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_leaves_a_float32_model(tmp_path, precision):
    # Real weights: the features of random ones are so small that 16-bit gradients vanish.
    run = small_train(tmp_path, settings={"train.precision": precision, "model.weights": "bundled",
                                          "optimizer.warmup_epochs": 0})
    model = keras.saving.load_model(run.model_file)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert model(np.zeros((1, 32, 32, 3), "float32")).dtype == "float32"
