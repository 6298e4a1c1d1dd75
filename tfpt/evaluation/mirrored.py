"""Test-time augmentation by mirroring: an image and its mirror are one thing seen twice."""

import keras


def mirrored_average(model: keras.Model) -> keras.Model:
    """The model whose answer is the mean of ``model``'s to an image and to the image mirrored left and right.

    Takes and gives what ``model`` does: one input of images ``[batch, height, width, channels]``.
    """
    pixels = keras.Input(model.input_shape[1:], dtype=model.inputs[0].dtype, name="pixels")
    return keras.Model(pixels, (model(pixels) + model(keras.ops.flip(pixels, axis=2))) / 2)
