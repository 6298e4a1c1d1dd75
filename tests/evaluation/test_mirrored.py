import keras
import numpy as np

from tfpt.evaluation.mirrored import mirrored_average


def test_the_mean_of_an_image_and_its_mirror():
    pixels = keras.Input((4, 6, 3))
    model = keras.Model(pixels, keras.layers.Dense(3, "softmax")(keras.layers.Flatten()(pixels)))
    images = np.random.default_rng(0).normal(size=(5, 4, 6, 3)).astype(np.float32)
    average = mirrored_average(model)
    expected = (np.asarray(model(images)) + np.asarray(model(images[:, :, ::-1]))) / 2
    np.testing.assert_allclose(average(images), expected, atol=1e-6)
    np.testing.assert_allclose(average(images[:, :, ::-1]), expected, atol=1e-6)
    assert average.input_shape == model.input_shape and average.output_shape == model.output_shape
