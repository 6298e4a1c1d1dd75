"""A small export that every test of what reads exports may use; none may write to it."""

from pathlib import Path

import pytest
import tensorflow as tf

from tests.workflows.finished_runs import brightness_model
from tfpt.export.image_signatures import image_classifier_signatures


@pytest.fixture(scope="session")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel of ``brightness_model``, 32×32 pixels to dark or light, with all signatures of image classifiers."""
    model = brightness_model()
    served = image_classifier_signatures(model, model.get_layer("head_pool").output, 32, ["dark", "light"])
    module = tf.Module()
    module.functions = {
        name: tf.function(signature.call, autograph=False, input_signature=[
            tf.TensorSpec(info.shape, tf.string if info.dtype == "bytes" else info.dtype, name=argument)
            for argument, info in signature.inputs.items()])
        for name, signature in served.signatures.items()}
    directory = tmp_path_factory.mktemp("small_export") / "1"
    tf.saved_model.save(module, str(directory), signatures=module.functions)
    return directory
