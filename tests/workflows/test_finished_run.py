import pytest
from keras import Input, Model, layers

from tfpt.config.loading import load_config
from tfpt.config.writing import to_yaml
from tfpt.errors import RunError
from tfpt.registry import get_task
from tfpt.workflows.finished_run import open_finished


def exchange_model(run, size=32, classes=2):
    pixels = Input((size, size, 3))
    Model(pixels, layers.Dense(classes)(layers.GlobalAveragePooling2D()(pixels))).save(run.model_file)


def test_a_finished_run_is_opened_with_its_record_config_and_model(run):
    opened = open_finished(run)
    assert opened.task.name == "image_classification" and opened.metadata["class_names"] == ["dark", "light"]
    assert opened.config.data.image_size == 32 and opened.model.output_shape == (None, 2)


@pytest.mark.parametrize(("exchanged", "found"), [
    ({"classes": 3}, "2 classes in run.json, 3 in model.keras"),
    ({"size": 16}, "an image size of 32 in run.json, 32 in config.yaml, 16 in model.keras")])
def test_a_model_of_another_training_is_refused(run, exchanged, found):
    exchange_model(run, **exchanged)
    with pytest.raises(RunError, match=f"to be of one training, but found {found}"):
        open_finished(run)


@pytest.mark.parametrize("size", ["64", "null"])
def test_a_config_of_another_training_is_refused(run, size):
    changed = to_yaml(load_config(get_task("image_classification").config_class, recipe=run.config_file))
    run.config_file.write_text(changed.replace("image_size: 32", f"image_size: {size}"))
    with pytest.raises(RunError, match="an image size of 32 in run.json, (64|None) in config.yaml"):
        open_finished(run)


def test_a_config_that_was_emptied_is_refused(run):
    run.config_file.write_text("")
    with pytest.raises(RunError, match="config.yaml, but it is empty"):
        open_finished(run)
