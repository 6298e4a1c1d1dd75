"""What the task's page decides: the freeze schedule that follows from the weights, the ranking of epochs."""

from dataclasses import replace

import pytest

from tfpt.config.loading import from_dict
from tfpt.errors import ConfigError
from tfpt.tasks.image_classification import TASK, image_size, rank, resolve


def config(**sections):
    return from_dict(TASK.config_class, sections, "a test")


@pytest.mark.parametrize("weights, epochs, expected", [
    ("none", 10, ("scratch", 3)), ("bundled", 10, (10, 3)), ("bundled", 1, (10, 0)), ("bundled", 2, (10, 1)),
    ("bundled", 20, (10, 3))])
def test_what_is_unfrozen_follows_from_the_weights(weights, epochs, expected):
    freeze = resolve(config(model={"weights": weights}, train={"epochs": epochs})).freeze
    assert (freeze.unfreeze, freeze.head_epochs) == expected


def test_what_is_given_is_kept():
    freeze = resolve(config(model={"weights": "none"}, freeze={"unfreeze": 5, "head_epochs": 1})).freeze
    assert (freeze.unfreeze, freeze.head_epochs) == (5, 1)
    assert resolve(config(freeze={"phases": [{"from_epoch": 1}]})).freeze.unfreeze is None


def test_bundled_digits_bring_the_bundled_weights_and_their_size():
    resolved = resolve(config())
    assert (resolved.model.weights, resolved.model.alpha, image_size(resolved)) == ("bundled", 0.35, 96)


def test_a_data_path_is_made_absolute_so_that_the_run_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert resolve(config(data={"path": "photos"}, model={"weights": "none"})).data.path == str(tmp_path / "photos")


def test_mixing_takes_two_images_in_an_update_not_in_a_micro_batch():
    small = {"batch_size": 1, "accumulation_steps": 2}
    assert resolve(config(augment={"mixup": 0.2}, train=small)).augment.mixup == 0.2
    with pytest.raises(ConfigError, match=r"augment.cutmix mixes the images of a batch, but train.batch_size 1"):
        resolve(config(augment={"cutmix": 0.2}, train={"batch_size": 1}))


def test_too_small_an_image_is_refused():
    with pytest.raises(ConfigError, match="32"):
        resolve(config(data={"image_size": 31}))


def test_accuracy_ranks_and_loss_breaks_the_tie():
    by_accuracy = config()
    assert rank(by_accuracy, {"accuracy": 0.9, "loss": 0.5}) > rank(by_accuracy, {"accuracy": 0.8, "loss": 0.1})
    assert rank(by_accuracy, {"accuracy": 0.9, "loss": 0.4}) > rank(by_accuracy, {"accuracy": 0.9, "loss": 0.5})
    by_loss = replace(by_accuracy, train=replace(by_accuracy.train, best_metric="loss"))
    assert rank(by_loss, {"accuracy": 0.8, "loss": 0.1}) > rank(by_loss, {"accuracy": 0.9, "loss": 0.5})


@pytest.mark.parametrize("backbone, depths", [("MobileNetV2", [0, 5, 10, 20, 40]), ("VGG16", [0, 5, 10])])
def test_the_search_asks_for_no_more_layers_than_there_are(backbone, depths):
    asked = resolve(config(model={"backbone": backbone}, data={"path": "photos"}))
    assert TASK.default_search(asked)["freeze.unfreeze"] == depths


def test_the_image_size_is_the_backbone_s_own():
    large = resolve(config(model={"backbone": "EfficientNetV2S"}, data={"path": "photos"}))
    assert image_size(large) == 384 and large.model.alpha is None
    with pytest.raises(ConfigError, match="Xception takes images of at least 71 pixels"):
        resolve(config(model={"backbone": "Xception", "weights": "none"}, data={"path": "photos", "image_size": 64}))
