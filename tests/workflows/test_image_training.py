"""The Python functions hand their arguments on as the command does its flags."""

import inspect

import pytest

import tfpt
from tfpt.commands.options import IMAGE_FLAGS
from tfpt.errors import UsageError
from tfpt.workflows import image_training


@pytest.fixture
def calls(monkeypatch):
    made = []
    monkeypatch.setattr(image_training, "train", lambda task, **arguments: made.append((task, arguments)) or "run")
    return made


def test_every_flag_of_the_command_is_an_argument():
    arguments = inspect.signature(tfpt.finetune_image).parameters
    assert {name.removeprefix("--").replace("-", "_") for name in IMAGE_FLAGS} <= set(arguments)


def test_arguments_become_settings_and_settings_win(calls):
    assert tfpt.finetune_image("photos/", unfreeze=5, learning_rate=0.1, config="recipe",
                               settings={"optimizer.learning_rate": 0.2}, quiet=True) == "run"
    (task, arguments), = calls
    assert task == "image_classification" and arguments["recipe"] == "recipe" and arguments["quiet"]
    given = {name: value for name, value in arguments["settings"].items() if value is not None}
    assert given == {"data.path": "photos/", "freeze.unfreeze": 5, "optimizer.learning_rate": 0.2}


def test_pretraining_trains_everything_from_random_weights(calls):
    tfpt.pretrain_image("photos/", epochs=3)
    settings = calls[0][1]["settings"]
    assert (settings["model.weights"], settings["freeze.unfreeze"], settings["train.epochs"]) == ("none", "scratch", 3)


@pytest.mark.parametrize("argument", [{"weights": "imagenet"}, {"unfreeze": 5}])
def test_pretraining_takes_no_freezing(calls, argument):
    with pytest.raises(UsageError, match=next(iter(argument))):
        tfpt.pretrain_image("photos/", **argument)
    assert not calls
