import json

import numpy as np
import pytest

from tests.models.conftest import small_classifier
from tfpt.errors import WeightsError
from tfpt.models import bundled


def test_kernels_are_halved_and_the_same_weights_give_the_same_file(tmp_path, trained):
    files = [tmp_path / name for name in ("a.npz", "b.npz")]
    for file in files:
        bundled.save_bundled(trained, file, {"backbone": "MobileNetV2"})
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].stat().st_size < 2e6
    with np.load(files[0]) as arrays:
        assert arrays["Conv1/kernel"].dtype == np.float16
        assert arrays["bn_Conv1/moving_variance"].dtype == np.float32
        assert not any(name.startswith("head_") for name in arrays)
    assert set(json.loads((tmp_path / "a.json").read_text())) == {"backbone", "sha256"}


def test_a_kernel_that_float16_cannot_hold(tmp_path):
    model = small_classifier(0)
    kernel = model.get_layer("Conv1").kernel
    kernel.assign(kernel + 1e5)
    with pytest.raises(WeightsError, match="Conv1/kernel .*float16"):
        bundled.save_bundled(model, tmp_path / "a.npz", {})
    assert not list(tmp_path.iterdir())


def test_the_bundled_file_is_whole():
    assert all(np.isfinite(value).all() for value in bundled.bundled_arrays().values())
    assert {"backbone": "MobileNetV2", "alpha": 0.35, "image_size": 96}.items() <= bundled.bundled_description().items()
