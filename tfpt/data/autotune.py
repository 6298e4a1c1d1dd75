"""tf.data without its tuner."""

import tensorflow as tf


def without_autotune(batches: tf.data.Dataset) -> tf.data.Dataset:
    """For pipelines whose parallelism is fixed: nothing is left to tune, and an iterator goes without a wait.

    With it, a thread that wakes every second or two has to end before the iterator can be deleted.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)
