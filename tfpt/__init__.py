"""tfpt: from pretrained weights to a fine-tuned, evaluated model, one command or one call each.

>>> import tfpt
>>> run = tfpt.finetune_image(data="photos/", unfreeze=10)      # doctest: +SKIP
>>> run.metrics["test"]["accuracy"]                             # doctest: +SKIP

``import tfpt`` is cheap; TensorFlow is imported with the first function that is used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_WORKFLOWS = {
    "finetune_image": "tfpt.workflows.image_training",
    "pretrain_image": "tfpt.workflows.image_training",
    "tune": "tfpt.workflows.tune",
    "find_lr": "tfpt.workflows.find_lr",
    "evaluate": "tfpt.workflows.evaluate",
    "compare": "tfpt.workflows.compare",
    "report": "tfpt.workflows.report",
    "predict": "tfpt.workflows.predict",
    "explain": "tfpt.workflows.explain",
    "export_run": "tfpt.workflows.export",
    "serve_check": "tfpt.workflows.serve_check",
}

__all__ = ["__version__", "compare", "evaluate", "explain", "export_run", "find_lr", "finetune_image", "predict",
           "pretrain_image", "report", "serve_check", "tune"]


def __getattr__(name: str) -> Any:
    if name not in _WORKFLOWS:
        raise AttributeError(f"module 'tfpt' has no attribute {name!r}")
    from tfpt import runtime

    runtime.quiet_tensorflow()
    return getattr(importlib.import_module(_WORKFLOWS[name]), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
