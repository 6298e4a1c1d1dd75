import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpt.errors import TrainingFailed
from tfpt.evaluation.predictions import predict_probabilities, probability_batches

IMAGES = np.random.default_rng(0).integers(0, 255, (7, 4, 4, 3)).astype(np.uint8)


def small_model() -> keras.Model:
    pixels = keras.Input((4, 4, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Rescaling(1 / 255)(pixels))
    x = keras.layers.Dropout(0.9)(keras.layers.Flatten()(x))
    return keras.Model(pixels, keras.layers.Dense(3, "softmax")(x))


def batches(count: int, size: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices({"image": IMAGES[:count], "label": np.zeros(count, np.int32)}).batch(size)


def test_in_order_in_inference_mode_whatever_the_batches():
    model = small_model()
    expected = np.asarray(model(IMAGES.astype(np.float32), training=False))
    for size in (1, 3, 7):
        found = predict_probabilities(model, batches(7, size))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_batches_come_one_by_one():
    assert [len(part) for part in probability_batches(small_model(), batches(7, 3))] == [3, 3, 1]


def test_no_examples_give_no_rows():
    assert predict_probabilities(small_model(), batches(0, 3)).shape == (0, 3)


def greedy_model(most: int, seen: list[int]) -> keras.Model:
    """``small_model`` with memory for ``most`` examples at once; TensorFlow makes of it a ResourceExhaustedError."""
    def through(values):
        seen.append(len(values))
        if len(values) > most:
            raise MemoryError
        return values

    class Greedy(keras.layers.Layer):
        def call(self, inputs):
            return tf.ensure_shape(tf.numpy_function(through, [inputs], tf.float32), inputs.shape)

    plain = small_model()
    pixels = keras.Input((4, 4, 3))
    return keras.Model(pixels, plain(Greedy()(pixels)))


@pytest.mark.parametrize("most, sizes", [(7, [3, 3, 3]), (2, [3, 1, 1, 1, 1, 1, 1, 1, 1, 1]), (1, [3] + 9 * [1])])
def test_out_of_memory_examples_go_in_halves_from_then_on(most, sizes):
    seen: list[int] = []
    model = greedy_model(most, seen)
    found = predict_probabilities(model, batches(7, 3))
    assert seen == sizes
    np.testing.assert_allclose(found, np.asarray(model.layers[-1](IMAGES.astype(np.float32))), atol=1e-6)


def test_out_of_memory_with_one_example_it_says_so():
    with pytest.raises(TrainingFailed, match="a single example at once"):
        predict_probabilities(greedy_model(0, []), batches(7, 3))
