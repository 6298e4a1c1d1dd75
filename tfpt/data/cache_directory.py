"""Where files that can be made again are kept between runs."""

import os
from pathlib import Path


def cache_directory() -> Path:
    """``$TFPT_CACHE``, else ``$XDG_CACHE_HOME/tfpt``, else ``~/.cache/tfpt``. It may not exist yet."""
    if os.environ.get("TFPT_CACHE"):
        return Path(os.environ["TFPT_CACHE"]).expanduser()
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]).expanduser() / "tfpt"
    return Path.home() / ".cache" / "tfpt"
