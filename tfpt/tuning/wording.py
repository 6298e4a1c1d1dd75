"""How hyper-parameters and their values are written where there is little room: tables and pictures."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tfpt.evaluation.figures import shortened

NUMBER_WIDTH = 7
"""The longest that ``value_text`` makes of a positive float."""


def short_names(names: Sequence[str]) -> list[str]:
    """The last part of each dotted name, in words; as many parts more as it takes to tell two apart."""
    endings = Counter(ending for name in names for ending in _endings(name))
    return [next((ending for ending in _endings(name) if endings[ending] == 1), name).replace("_", " ")
            for name in names]


def _endings(name: str) -> list[str]:
    """``c``, ``b.c``, ``a.b.c`` of ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[first:]) for first in reversed(range(len(parts)))]


def value_text(value: Any) -> str:
    """``value`` in a few characters: ``3.1e-04``, ``0.20``, ``10``, ``all``, ``null``, ``[128, 64]``."""
    if isinstance(value, float):
        return _float_text(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shortened(text)


def _float_text(value: float) -> str:
    size = abs(value)
    if size == 0:
        return "0"
    if size < 0.01 or size >= 9999.5:
        return f"{value:.1e}"
    return f"{value:#.2g}" if size < 0.995 else f"{value:.4g}"


def score_name(objective: str) -> str:
    """``val acc`` for the objective accuracy."""
    return f"val {'acc' if objective == 'accuracy' else objective.replace('_', ' ')}"


def score_text(score: float) -> str:
    """A score in at most seven characters: ``0.905``, ``12.314``, ``1.2e+05``."""
    return f"{score:.3f}" if abs(score) < 999.5 else f"{score:.1e}"
