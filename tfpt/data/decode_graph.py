"""The decoder as a graph that a process without TensorFlow's Python can run: the same kernels give the same pixels."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from tfpt.data.decode import decode_image, resize_image
from tfpt.data.graph_decoder import INPUT, OUTPUT


@dataclass(frozen=True)
class DecodeGraph:
    """What ``GraphDecoder`` is made from: a GraphDef and a ConfigProto."""

    graph: bytes
    session: bytes


def decode_graph(image_size: int | None) -> DecodeGraph:
    """From a file's bytes to uint8 ``[image_size, image_size, 3]``, as ``decode_and_resize``; None: to the shape."""
    graph = tf.Graph()
    with graph.as_default():
        image = decode_image(tf.compat.v1.placeholder(tf.string, [], name=INPUT))
        # Something of the image has to be used, or it isn't decoded at all.
        result = tf.shape(image) if image_size is None else resize_image(image, image_size)
        tf.identity(result, name=OUTPUT)
    # One image at a time and process: a thread more would only have to be woken.
    session = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1,
                                       device_count={"GPU": 0})
    return DecodeGraph(graph.as_graph_def().SerializeToString(), session.SerializeToString())


def tensorflow_libraries() -> tuple[str, ...]:
    """Where TensorFlow's C API should be: its libraries, in the order in which they need each other."""
    found = importlib.util.find_spec("tensorflow")
    places = list(found.submodule_search_locations or ()) if found else []
    form = "{}.2.dylib" if sys.platform == "darwin" else "{}.so.2"
    return tuple(str(Path(places[0] if places else "", form.format(name)))
                 for name in ("libtensorflow_framework", "libtensorflow_cc"))
