"""The bundled data set: 1,797 handwritten digits of the UCI repository, as scikit-learn carries them."""

import numpy as np

from tfpt.data.listing import ALL, ListedImages, Listing


def read_digits() -> Listing:
    """The digits, 8 x 8 pixels; their levels 0 to 16 are spread over 0 to 255."""
    from sklearn.datasets import load_digits  # takes a second, and only this data set needs it

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    names = tuple(f"digits[{i}]" for i in range(len(pixels)))
    images = ListedImages(names, digits.target.astype(np.int32), pixels=pixels)
    return Listing("UCI digits", tuple(str(label) for label in digits.target_names), {ALL: images})
