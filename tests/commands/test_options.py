import click
import pytest
from click.testing import CliRunner

from tfpt.commands.options import IMAGE_FLAGS, image_flags, settings_of
from tfpt.config.image_classification import ImageClassificationConfig
from tfpt.config.loading import field_names, load_config

VALUES = {"--data": "tfds:shapes", "--data-dir": "sets", "--backbone": "VGG16", "--weights": "none", "--unfreeze": "10",
          "--epochs": "3",
          "--batch-size": "4", "--learning-rate": "1e-3", "--image-size": "64", "--alpha": "0.35", "--seed": "5"}


def parse(*arguments):
    found = {}

    @click.command()
    @image_flags(*IMAGE_FLAGS)
    def command(**flags):
        found.update(settings_of(flags))

    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert result.exception is None, result.exception
    return found


def test_every_flag_names_its_config_field_in_its_help():
    @click.command()
    @image_flags(*IMAGE_FLAGS)
    def command():
        """Nothing."""

    known = set(field_names(ImageClassificationConfig))
    for option in command.params:
        field = IMAGE_FLAGS[option.opts[0]][0]
        assert option.help.startswith(f"{field}: ") and field in known


def test_all_flags_together_make_a_config():
    arguments = [part for pair in VALUES.items() for part in pair]
    config = load_config(ImageClassificationConfig, settings=parse(*arguments))
    assert (config.data.path, config.model.weights, config.freeze.unfreeze, config.train.epochs) == (
        "tfds:shapes", "none", 10, 3)
    assert (config.train.batch_size, config.optimizer.learning_rate, config.data.image_size) == (4, 0.001, 64)
    assert (config.model.backbone, config.model.alpha, config.train.seed) == ("VGG16", 0.35, 5)
    assert config.data.data_dir == "sets"


def test_flags_that_are_not_given_leave_the_config_alone():
    assert load_config(ImageClassificationConfig, settings=parse()) == ImageClassificationConfig()


@pytest.mark.parametrize(("text", "value"), [("10", 10), ("-3", -3), ("all", "all"), ("block_15", "block_15")])
def test_unfreeze_is_a_number_or_a_name(text, value):
    assert parse("--unfreeze", text)["freeze.unfreeze"] == value
