"""Running out of memory: the errors by which TensorFlow, its kernels and Python say so."""

import tensorflow as tf


def is_out_of_memory(problem: BaseException | None) -> bool:
    """Whether less at once might do.

    TensorFlow's allocator raises ResourceExhaustedError. oneDNN's kernels allocate for themselves; where they can't,
    "could not create a primitive" or "could not execute a primitive" arrives as AbortedError.
    """
    if isinstance(problem, tf.errors.AbortedError):
        return "a primitive" in problem.message
    return isinstance(problem, (tf.errors.ResourceExhaustedError, MemoryError))
