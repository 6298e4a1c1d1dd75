"""Op determinism is on in production, and unseeded random ops then raise; so it is on here."""

import pytest
import tensorflow as tf


@pytest.fixture(scope="session", autouse=True)
def deterministic_ops() -> None:
    tf.config.experimental.enable_op_determinism()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Converted images go to a folder of the test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TFPT_CACHE", str(folder))
    return folder
