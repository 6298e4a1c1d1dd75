"""What a model's config.json may name: Keras's own layers and functions, and classes registered in this process.

Keras's safe mode refuses code in the file. It still imports modules that the file names, calls any function of its
own namespace, and takes the file's word for every size; so the config is read here first.
"""

import functools
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import keras

_PARTS = (keras.Layer, keras.Operation, keras.Initializer, keras.Regularizer, keras.constraints.Constraint,
          keras.DTypePolicy, keras.dtype_policies.DTypePolicyMap, keras.Quantizer, keras.Loss, keras.Metric,
          keras.Optimizer, keras.optimizers.schedules.LearningRateSchedule)
_REFUSED = {
    keras.layers.Lambda: "which holds code",
    keras.layers.TFSMLayer: "which opens another model on this machine",
    keras.layers.TorchModuleWrapper: "which holds a pickle",
    keras.layers.JaxLayer: "which holds code",
    keras.layers.FlaxLayer: "which holds code",
}
_FUNCTIONS_IN = ("activations", "constraints", "initializers", "losses", "metrics", "regularizers")
"""Modules of keras whose functions may be named, with their module or, as Keras writes it, with ``builtins``."""
_MAKERS = ("get", "serialize", "deserialize")
"""What those modules have beside them, for making objects of configs."""
_VALUES = ("__keras_tensor__", "__bytes__", "__ellipsis__", "__slice__")
_ARRAYS = ("__tensor__", "__numpy__")
_DTYPES = ("bool", "string", "bfloat16", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8",
           "uint16", "uint32", "uint64")


def check_config(config: Any) -> None:
    """ValueError, saying what it is, if ``config`` (parsed JSON) names or holds anything that isn't allowed."""
    for node in _mappings(config):
        if "class_name" in node:
            _check_named(node)
        name = node.get("name")
        if isinstance(name, str) and (name.startswith("/") or ".." in name.split("/")):
            raise ValueError(f"it names a layer {_shown(name)}, which leads out of its folder")
        if isinstance(node.get("vocabulary"), str):
            raise ValueError(f"it asks for the file {_shown(node['vocabulary'])} of this machine as a vocabulary")


def _mappings(config: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in it, however deep."""
    left = [config]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            yield node
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)


def _check_named(node: Mapping[str, Any]) -> None:
    name, module, registered = node["class_name"], node.get("module"), node.get("registered_name")
    if not isinstance(name, str) or not all(isinstance(text, (str, type(None))) for text in (module, registered)):
        raise ValueError(f"it names a class {_shown(name)}, which is no name")
    if name == "__lambda__":
        raise ValueError("it holds the code of a Python function (a lambda)")
    if name in _VALUES:
        return
    if name in _ARRAYS:
        dtype = node["config"].get("dtype") if isinstance(node.get("config"), dict) else None
        if dtype not in _DTYPES:
            raise ValueError(f"it holds an array of {_shown(dtype)}, which are no numbers")
        return
    if name == "function":
        _check_function(module, node.get("config"))
    else:
        _check_class(module, name, registered)


def _check_function(module: str | None, name: Any) -> None:
    places = _FUNCTIONS_IN if module in ("builtins", None) else [place for place in _FUNCTIONS_IN
                                                                 if module == f"keras.{place}"]
    if isinstance(name, str) and name.isidentifier() and name not in _MAKERS:
        if any(callable(getattr(getattr(keras, place), name, None)) for place in places):
            return
        if keras.saving.get_registered_object(name) is not None:
            return
    raise ValueError(f"it calls the function {_shown(f'{module}.{name}')}, which isn't one of Keras's for models")


@functools.lru_cache(1024)
def _check_class(module: str | None, name: str, registered: str | None) -> None:
    found = keras.saving.get_registered_object(registered or name)
    if found is None and (module is not None or registered is None):
        found = _of_keras(module, name)
    for refused, why in _REFUSED.items():
        if name == refused.__name__ or (isinstance(found, type) and issubclass(found, refused)):
            raise ValueError(f"it has a {name}, {why}")
    if not isinstance(found, type) or not issubclass(found, _PARTS):
        raise ValueError(f"it names {_shown(f'{module}.{name}')}, which isn't a part of models in Keras, nor "
                         "registered with it here")


def _of_keras(module: str | None, name: str) -> Any:
    """What Keras would make of the name; nothing is imported for it."""
    if module is None:  # as older versions wrote it; Keras then looks in these
        places = (keras.layers, keras.initializers, keras.regularizers, keras.constraints, keras.optimizers,
                  keras.optimizers.schedules, keras.losses, keras.metrics)
        return next((vars(place)[name] for place in places if name in vars(place)), None)
    if module.startswith("keras.src."):  # of classes that have no public name, such as Functional
        found = vars(sys.modules[module]).get(name) if module in sys.modules else None
        return found if getattr(found, "__module__", "").startswith("keras.src.") else None
    first, *rest = module.split(".")
    place: Any = keras if first == "keras" else None
    for part in rest:
        place = getattr(place, part, None)
    return getattr(place, name, None)


def _shown(name: Any) -> str:
    return f"{name!r:.80}"
