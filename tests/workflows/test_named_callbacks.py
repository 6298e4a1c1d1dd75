"""Callbacks by name, in a training as a user starts it and where they can't be had."""

import json
import subprocess
import sys

import keras
import pytest

from tfpt.errors import UsageError
from tfpt.workflows.image_training import finetune_image
from tfpt.workflows.named_callbacks import load_callbacks

MODULE = """
import json, keras

class Log(keras.callbacks.Callback):
    class Inner(keras.callbacks.Callback):
        pass

    def on_epoch_end(self, epoch, logs=None):
        with open("seen.jsonl", "a") as file:
            file.write(json.dumps({"epoch": epoch, **logs}) + chr(10))

class Needs(keras.callbacks.Callback):
    def __init__(self, key):
        super().__init__()

class NoServer(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise ConnectionError("nobody at port 5000")

class Other: pass

def function(): pass

number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"callbacks_of_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / f"{name}_broken.py").write_text("import a_module_that_is_not_there")
    (tmp_path / f"{name}_exits.py").write_text("raise SystemExit(0)")
    return tmp_path, name


def test_a_class_in_the_present_folder_and_one_of_keras(folder):
    _, name = folder
    first, inner, second = load_callbacks([f"{name}:Log", f"{name}:Log.Inner", "keras.callbacks:TerminateOnNaN"])
    assert type(first).__name__ == "Log" and type(inner).__name__ == "Inner"
    assert isinstance(second, keras.callbacks.TerminateOnNaN)
    assert load_callbacks([]) == []


@pytest.mark.parametrize("what, words", [
    ("", "takes a module and a class in it"),
    ("json", "takes a module and a class in it"),
    (":Log", "takes a module and a class in it"),
    ("NAME:", "takes a module and a class in it"),
    ("../NAME:Log", "takes a module and a class in it"),
    ("NAME:Lag", "there is no Lag in it; did you mean Log?"),
    ("NAME:Other", "Other is another class"),
    ("NAME:function", "function is a function."), ("NAME:number", "is an int."),
    ("NAME:Needs", "missing 1 required positional argument: 'key'. It is made without arguments"),
    ("NAME_missing:Log", "there is no module callbacks_of_"),
    ("NAME.inner:Log", "there is no module callbacks_of_"),
    ("NAME_broken:Log", "raised ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
    ("NAME_exits:Log", "raised SystemExit: 0"),
])
def test_what_cannot_be_had_is_refused(folder, what, words):
    with pytest.raises(UsageError) as caught:
        load_callbacks([what.replace("NAME", folder[1])])
    assert words in str(caught.value) and "\n" not in str(caught.value)


def tfpt(folder, *arguments):
    return subprocess.run([sys.executable, "-m", "tfpt", "finetune-image", "--config", "image_classification/tiny",
                           "--epochs", "3", "--run-dir", "run", *arguments], cwd=folder, capture_output=True, text=True)


def test_a_command_calls_it_and_one_that_raises_ends_a_run_that_goes_on(folder):
    where, name = folder
    failed = tfpt(where, "--callback", f"{name}:NoServer", "--callback", f"{name}:Log")
    assert failed.returncode == 3
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("tfpt: ") and "NoServer.on_epoch_end raised ConnectionError: nobody at port 5000." in last
    assert json.loads((where / "run" / "run.json").read_text())["status"] == "failed"
    (where / f"{name}.py").write_text(MODULE.replace("raise", "return #"))
    assert tfpt(where, "--callback", f"{name}:NoServer", "--callback", f"{name}:Log", "--resume").returncode == 0
    lines = [json.loads(line) for line in (where / "seen.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2]  # another that raised doesn't silence it
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"} <= set(lines[0])


def test_python_gets_its_own_exception_back(tmp_path):
    class GiveUp(Exception):
        pass

    class Pruner(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise GiveUp

    with pytest.raises(GiveUp):
        finetune_image(config="image_classification/tiny", epochs=3, callbacks=[Pruner()], quiet=True,
                       run_dir=str(tmp_path / "run"), tensorboard_root=str(tmp_path / "tensorboard"))
    assert list((tmp_path / "run" / "checkpoints").iterdir())
