"""What saved_model.pb says, read without loading the model: its graph, its signatures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from tfpt.errors import ExportError

SERVE = "serve"


@dataclass(frozen=True)
class SignatureTensor:
    """A tensor of a signature: its name in the graph, TensorFlow's number of its data type and NumPy's name of it
    (``bytes`` for text), and its shape, None where any size will do and None as a whole if it is unknown.
    """

    tensor: str
    type: int
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class SignatureTensors:
    """The inputs and outputs of a signature by name."""

    inputs: dict[str, SignatureTensor]
    outputs: dict[str, SignatureTensor]


def read_meta_graph(directory: Path) -> Any:
    """The MetaGraphDef that servers load. ExportError: there is no SavedModel, or it is damaged."""
    path = directory / "saved_model.pb"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ExportError(f"Expected a SavedModel in {directory}, but saved_model.pb can't be read: {error.strerror}. "
                          "Name the directory that holds it.") from error
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString(content)
    except DecodeError as error:
        raise ExportError(f"Expected a SavedModel in {path}, but it is damaged: it holds {len(content):,} bytes that "
                          "can't be parsed. Export the model again.") from error
    # As loaders compare: a tag may stand twice. Of two graphs, what is judged may not be what is loaded.
    found = [meta_graph for meta_graph in saved.meta_graphs if set(meta_graph.meta_info_def.tags) == {SERVE}]
    if len(found) == 1:
        return found[0]
    if found:
        raise ExportError(f"Expected in {path} one graph with the tag {SERVE}, which servers load, but found "
                          f"{len(found)}. Export the model again.")
    tags = [" and ".join(sorted(meta_graph.meta_info_def.tags)) or "no tag" for meta_graph in saved.meta_graphs]
    raise ExportError(f"Expected in {path} a graph with the tag {SERVE}, which servers load, but found "
                      f"{', '.join(tags) or 'none'}. Export the model again.")


def signature_names(directory: Path) -> list[str]:
    """The names of a SavedModel's signatures. ExportError: it can't be read."""
    return sorted(name for name in read_meta_graph(directory).signature_def if not name.startswith("__"))


def signature_tensors(directory: Path, signature: str) -> SignatureTensors:
    """What a signature takes and gives. ExportError: there is none of that name, or it isn't of plain tensors."""
    signatures = read_meta_graph(directory).signature_def
    if signature not in signatures or signature.startswith("__"):
        raise ExportError(f"Expected a signature {signature} in {directory}, but it has "
                          f"{', '.join(sorted(name for name in signatures if not name.startswith('__'))) or 'none'}.")
    definition = signatures[signature]
    return SignatureTensors({name: _tensor(directory, name, info) for name, info in definition.inputs.items()},
                            {name: _tensor(directory, name, info) for name, info in definition.outputs.items()})


def _tensor(directory: Path, name: str, info: Any) -> SignatureTensor:
    if info.WhichOneof("encoding") != "name":
        raise ExportError(f"Expected plain tensors in the signatures of {directory}, but {name} is sparse or ragged, "
                          "and can't be checked.")
    import tensorflow as tf

    dtype = "bytes" if info.dtype == types_pb2.DT_STRING else tf.as_dtype(info.dtype).name
    sides = tuple(None if side.size < 0 else side.size for side in info.tensor_shape.dim)
    return SignatureTensor(info.name, info.dtype, dtype, None if info.tensor_shape.unknown_rank else sides)
