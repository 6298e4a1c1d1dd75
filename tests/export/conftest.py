"""A small export that every test of what reads exports may use; none may write to it."""

from pathlib import Path

import pytest

from tests.workflows.finished_runs import brightness_model
from tfpt.export.image_signatures import image_classifier_signatures
from tfpt.export.saved_model import write_saved_model


@pytest.fixture(scope="session")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel of ``brightness_model``, 32×32 pixels to dark or light, with all signatures of image classifiers."""
    model = brightness_model()
    served = image_classifier_signatures(model, model.get_layer("head_pool").output, 32, ["dark", "light"])
    directory = tmp_path_factory.mktemp("small_export") / "1"
    write_saved_model(served, directory)
    return directory
