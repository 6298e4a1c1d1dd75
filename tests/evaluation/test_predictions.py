import keras
import numpy as np
import tensorflow as tf

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
