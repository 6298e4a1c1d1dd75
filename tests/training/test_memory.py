"""Which errors say that there is too little memory."""

import pytest
import tensorflow as tf

from tfpt.training.memory import is_out_of_memory


@pytest.mark.parametrize("problem, expected", [
    (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"), True), (MemoryError(), True),
    (tf.errors.AbortedError(None, None, "Operation received an exception:Status: 1, message: could not create a "
                                        "primitive, in file tensorflow/core/kernels/mkl/mkl_conv_ops.cc:1112"), True),
    (tf.errors.AbortedError(None, None, "the step was cancelled"), False),
    (ValueError("memory"), False), (None, False)])
def test_what_says_so(problem, expected):
    assert is_out_of_memory(problem) is expected
