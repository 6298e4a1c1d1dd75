"""``run.json``: strict JSON, written from what a training holds, and read back."""

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfpt.atomic_files import read_own_text
from tfpt.errors import RunError

_SURROGATE = re.compile("[\ud800-\udfff]")


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """``manifest`` as the file holds it: NumPy numbers and paths as plain ones, what isn't finite as null."""
    text = json.dumps(_jsonable(manifest), indent=1, ensure_ascii=False, allow_nan=False)
    # Names of files that aren't UTF-8 hold surrogates, which only JSON's escapes can carry.
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def read_manifest(file: Path) -> dict[str, Any]:
    """The JSON object in ``file``.

    Raises:
        RunError: the file is missing, or holds something else.
    """
    try:
        manifest = json.loads(read_own_text(file), parse_constant=_refuse, parse_int=_finite_int)
    except FileNotFoundError:
        raise RunError(f"Expected a run in {file.parent}, but there is no {file.name} in it. "
                       f"`tfpt runs` lists the runs that there are.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"Expected a JSON object in {file}, but it can't be read: {error}. "
                       f"Something other than tfpt wrote or damaged it; start a new run.") from error
    if not isinstance(manifest, dict):
        raise RunError(f"Expected a JSON object in {file}, but found a {type(manifest).__name__}. "
                       f"Something other than tfpt wrote it; start a new run.")
    return manifest


def is_text(text: str) -> bool:
    """Whether UTF-8 can hold ``text``, which it can't if it is the name of a file that isn't UTF-8."""
    return _SURROGATE.search(text) is None


def _finite_int(text: str) -> int:
    number = int(text)
    if not math.isfinite(float(text)):
        raise ValueError(f"the number {text[:20]}… is too large")
    return number


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _jsonable(value: Any) -> Any:
    """``value`` as JSON holds it: NumPy scalars and arrays as numbers and lists, paths as text, NaN as null."""
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return _jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
