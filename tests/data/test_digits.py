import numpy as np
from sklearn.datasets import load_digits

from tfpt.data.digits import read_digits


def test_all_digits_over_the_full_range():
    listing = read_digits()
    images = listing.parts["all"]
    assert images.pixels.shape == (1797, 8, 8, 1) and images.pixels.dtype == np.uint8
    assert (images.pixels.min(), images.pixels.max()) == (0, 255)
    assert np.array_equal(np.round(images.pixels[..., 0] / 255 * 16), load_digits().images)
    assert listing.class_names == tuple("0123456789")
    assert images.names[17] == "digits[17]" and images.labels[17] == load_digits().target[17]
