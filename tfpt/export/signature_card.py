"""signature.json: how an exported model is called, for programs, and as commands for people.

``jq -r '.examples[].command // empty' signature.json`` prints the commands as a shell takes them. Imports no
TensorFlow.
"""

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tfpt import __version__
from tfpt.config.export import MODEL_NAME, SAVED_MODEL, SERVING
from tfpt.task import ServedModel, Signature, TensorInfo

SERVER = f"http://127.0.0.1:8501/v1/models/{MODEL_NAME}"
"""A TensorFlow Serving on this machine."""

EXAMPLE_FILES = {"image": ("photo.jpg", "photo-2.jpg"), "audio": ("sound.wav", "sound-2.wav")}
OTHER_FILES = ("input.bin", "input-2.bin")
EXAMPLE_TEXTS = ("a first text", "a second text")
MOST_VALUES = 64
"""Of an input of numbers, what is written out for an example; of more only the shape is shown."""


def signature_card(served: ServedModel, *, name: str, task: str, version: int, format: str, model_sha256: str,
                   exported: str, class_names: Sequence[str] = (), model_file: str | None = None) -> dict[str, Any]:
    """What signature.json holds, JSON-able. A shape's None stands for any size.

    Args:
        name: the run's.
        format: saved_model, onnx or litert, the last with its quantization, such as ``litert int8``.
        model_sha256: of the run's model.keras, in hexadecimal.
        exported: the date.
        class_names: in the order of the outputs, if it is a classifier.
        model_file: the name of the file that holds the network, in other formats than saved_model.
    """
    card: dict[str, Any] = {"tfpt": {"version": __version__, "run": name, "task": task, "export": version,
                                     "format": format, "model_sha256": model_sha256, "exported": exported}}
    if format == SAVED_MODEL:
        card["signatures"] = {called: _described(signature) for called, signature in served.signatures.items()}
        card["clients_must"] = list(served.clients_must)
        card["examples"] = [_status(), *_examples(served.signatures)]
    else:
        card["model_file"] = model_file
        card["network"] = _described(served.network)
        card["clients_must"] = [f"Do themselves what this format can't hold: {served.beyond_network}."]
    if class_names:
        card["class_names"] = list(class_names)
    return card


def _described(signature: Signature) -> dict[str, Any]:
    return {"about": signature.about,
            "inputs": {name: _tensor(info) for name, info in signature.inputs.items()},
            "outputs": {name: _tensor(info) for name, info in signature.outputs.items()}}


def _tensor(info: TensorInfo) -> dict[str, Any]:
    media = {"media": info.media} if info.media else {}
    return {"dtype": info.dtype, **media, "shape": list(info.shape), "about": info.about}


def _status() -> dict[str, str]:
    return {"about": "whether the model is loaded", "command": f"curl -sS {SERVER}"}


def _examples(signatures: Mapping[str, Signature]) -> list[dict[str, str]]:
    return [_example(SERVING, signatures[SERVING], 1), _example(SERVING, signatures[SERVING], 2),
            *(_example(name, signature, 1) for name, signature in signatures.items() if name != SERVING)]


def _example(name: str, signature: Signature, count: int) -> dict[str, str]:
    """A request of ``count`` examples as a ``command``, or as the ``body`` to fill in if it is long."""
    about = f"{signature.about}: {'one example' if count == 1 else 'several examples in one request'}"
    chosen = {} if name == SERVING else {"signature_name": name}
    body = json.dumps({**chosen, "instances": [_instance(signature.inputs, number) for number in range(count)]})
    example = {"about": about, "signature": name, "answer": _answer(signature)}
    if r"\u0001" in body:
        return {**example, "body": re.sub(r'"\\u0001(.*?)\\u0001"', r"\1", body)}
    return {**example, "command": _command(body)}


def _instance(inputs: Mapping[str, TensorInfo], number: int) -> Any:
    """An example as TensorFlow Serving's row format has it: by input name, or bare if there is but one input."""
    values = {name: _value(info, number) for name, info in inputs.items()}
    return next(iter(values.values())) if len(values) == 1 else values


def _value(info: TensorInfo, number: int) -> Any:
    """JSON, but for the names of files between two NUL, and for the outline of many numbers between two \\x01."""
    sides = [1 if side is None else side for side in info.shape[1:]]
    if info.dtype == "bytes":
        files = EXAMPLE_FILES.get(info.media, OTHER_FILES)
        value: Any = EXAMPLE_TEXTS[number] if info.media == "text" else {"b64": f"\0{files[number]}\0"}
    else:
        value = False if info.dtype == "bool" else 0.0 if "float" in info.dtype else 0
        if math.prod(sides) > MOST_VALUES:
            return f"\x01{_outline(sides, json.dumps(value))}\x01"
    for side in reversed(sides):
        value = [value] * side
    return value


def _outline(sides: Sequence[int], value: str) -> str:
    """Such as ``[[0.0, ... 3 in all], ... 96 in all]``."""
    for side in reversed(sides):
        value = f"[{value}]" if side == 1 else f"[{value}, ... {side} in all]"
    return value


def _answer(signature: Signature) -> str:
    outputs = [f'"{name}": ...' for name in signature.outputs]
    return f'{{"predictions": [{"{" + ", ".join(outputs) + "}" if len(outputs) > 1 else "..."}, ...]}}'


def _command(body: str) -> str:
    """curl with ``body``, into which a POSIX shell puts the files."""
    pieces = re.split(r"\\u0000(.*?)\\u0000", body)
    if len(pieces) == 1:
        return f"curl -sS -d {shlex.quote(body)} {SERVER}:predict"
    writes = [f"base64 < {shlex.quote(piece)} | tr -d '\\n'" if number % 2 else f"printf %s {shlex.quote(piece)}"
              for number, piece in enumerate(pieces)]
    return f"({'; '.join(writes)}) | curl -sS -d @- {SERVER}:predict"
