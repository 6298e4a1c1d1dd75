"""One prepared data set in each format for all tests of this folder that only read it."""

import pytest
from tensorflow_datasets.core import constants

from tests.data.tfds.prepared_sets import FORMATS, prepare


@pytest.fixture(scope="session", params=FORMATS)
def data_dir(request, tmp_path_factory):
    """Where ``shapes`` is prepared."""
    folder = tmp_path_factory.mktemp(request.param)
    prepare(folder, file_format=request.param)
    return folder


@pytest.fixture(autouse=True)
def own_default(tmp_path, monkeypatch):
    """TFDS's own folder is none of the user's."""
    folder = tmp_path / "tensorflow_datasets"
    monkeypatch.setattr(constants, "DATA_DIR", str(folder))
    return folder
