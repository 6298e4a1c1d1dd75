"""TensorFlow is imported once, quietly, before any test module asks for it; no test sees the user's cache."""

import pytest

from tfpt import runtime

runtime.quiet_tensorflow()


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory):
    """The cache of what is made once for many tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFPT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch, shared_cache):
    """The cache of a single test: it may not exist yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TFPT_CACHE", str(folder))
    return folder
