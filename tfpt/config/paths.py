"""Paths in a config, as a run keeps them."""

import os
from dataclasses import replace
from typing import Any


def with_absolute_paths(config: Any) -> Any:
    """``config`` with ``data.path``, ``data.data_dir`` and ``model.weights`` absolute where they name something on
    disk: a run is found and resumed from any folder.
    """
    if os.path.exists(config.data.path):
        config = replace(config, data=replace(config.data, path=os.path.abspath(config.data.path)))
    data_dir = os.path.expanduser(config.data.data_dir or "")
    if os.path.isdir(data_dir):
        config = replace(config, data=replace(config.data, data_dir=os.path.abspath(data_dir)))
    if config.model.weights is not None and os.path.isfile(config.model.weights):
        config = replace(config, model=replace(config.model, weights=os.path.abspath(config.model.weights)))
    return config
