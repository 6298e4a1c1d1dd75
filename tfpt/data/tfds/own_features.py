"""Opening a prepared data set imports no code but TFDS's own, whatever classes its ``features.json`` names.

``FeatureConnector.cls_from_name`` of TFDS imports the module of any class that isn't known yet, and such names may also
stand in JSON within a string, which it parses (``Feature.json_feature`` in TFDS's ``feature.proto``).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tfpt.data.listing import printable

_CLASS_KEYS = ("pythonClassName", "python_class_name", "type")
_JSON_KEYS = ("json", "jsonFeature", "json_feature", "content")
"""Those that may hold a string of JSON."""


def foreign_classes(description: Any) -> list[str]:
    """The classes that ``description``, parsed from ``features.json``, names, but that aren't TFDS's own features.

    Raises:
        ValueError: a string within it isn't the JSON that it should be.
    """
    return sorted({name for name in _class_names(description) if _own_feature(name) is None})


@contextmanager
def only_own_features() -> Iterator[None]:
    """Within, TFDS rebuilds its own features alone, and imports nothing for it: of others it raises ValueError."""
    from tensorflow_datasets.core.features import FeatureConnector

    def known_class(_: type, name: str) -> type:
        found = _own_feature(name)
        if found is None:
            raise ValueError(f"{printable(name)} is none of TensorFlow Datasets' own features")
        return found

    before = FeatureConnector.__dict__["cls_from_name"]  # KeyError: another TFDS, in which this would guard nothing
    FeatureConnector.cls_from_name = classmethod(known_class)
    try:
        yield
    finally:
        FeatureConnector.cls_from_name = before


def _own_feature(name: str) -> type | None:
    from tensorflow_datasets.core.features import FeatureConnector

    found: type | None = FeatureConnector._registered_features.get(name)
    return found if found is not None and found.__module__.startswith("tensorflow_datasets.") else None


def _class_names(description: Any) -> Iterator[str]:
    if isinstance(description, dict):
        for key, value in description.items():
            if isinstance(value, str):
                if key in _CLASS_KEYS:
                    yield value
                elif key in _JSON_KEYS:
                    yield from _class_names(json.loads(value))
            yield from _class_names(value)
    elif isinstance(description, list):
        for value in description:
            yield from _class_names(value)
