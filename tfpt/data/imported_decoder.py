"""Runs ``decode_graph.py``'s graph by TensorFlow's Python, where its C API can't be had. It takes seconds to import."""

from collections.abc import Callable

from tfpt import runtime
from tfpt.data.graph_decoder import INPUT, OUTPUT, UNDECODABLE
from tfpt.data.header import BrokenImage


def imported_decoder(graph: bytes, session: bytes) -> Callable[[bytes], bytes]:
    """A function that does what a ``GraphDecoder`` does."""
    runtime.quiet_tensorflow()
    import tensorflow as tf

    whole = tf.Graph()
    with whole.as_default():
        tf.graph_util.import_graph_def(tf.compat.v1.GraphDef.FromString(graph), name="")
    running = tf.compat.v1.Session(graph=whole, config=tf.compat.v1.ConfigProto.FromString(session))

    def decode(contents: bytes) -> bytes:
        try:
            return bytes(running.run(f"{OUTPUT}:0", {f"{INPUT}:0": contents}).tobytes())
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError from error
        except tf.errors.OpError as error:
            raise BrokenImage(UNDECODABLE) from error

    return decode
