import os
import time

import numpy as np
from PIL import Image

from tests.data.image_files import save_photo
from tests.data.odd_formats import png_16_bit
from tfpt.data.check import check_images
from tfpt.data.converted_images import converted_directory, measure_converted, remove_converted
from tfpt.data.listing import ListedImages
from tfpt.data.normalise import normalised_png


def convert(number, used=None):
    path = normalised_png(Image.new("RGB", (2, 2)), f"{number:064x}")
    if used is not None:
        os.utime(path, (used, used))
    return path


def test_no_folder_is_nothing():
    assert measure_converted() == remove_converted() and measure_converted().files == 0


def test_images_are_counted_and_removed_by_their_last_use():
    old, new = convert(1, used=1000), convert(2, used=3000)
    both = measure_converted()
    assert (both.files, both.bytes, both.last_used) == (2, old.stat().st_size * 2, 3000)
    assert remove_converted(unused_since=2000).files == 1 and not old.exists() and new.exists()
    assert remove_converted().files == 1 and not new.exists()


def test_leftovers_are_removed_and_files_of_others_are_not():
    leftover = convert(1).with_suffix(".png.12-34.tmp")
    leftover.write_bytes(b"half")
    save_photo(converted_directory() / "holiday.png", seed=0)
    assert remove_converted().files == 2 and os.listdir(converted_directory()) == ["holiday.png"]


def test_an_image_that_is_used_again_is_marked_so(tmp_path):
    (tmp_path / "a.png").write_bytes(png_16_bit(np.zeros((4, 4), np.uint16)))
    listed = ListedImages(("a",), np.zeros(1, np.int32), paths=(str(tmp_path / "a.png"),))
    before = time.time() - 1
    for _ in range(2):
        check_images(listed, 8, memory_mb=1)
        (path,) = converted_directory().iterdir()
        assert path.stat().st_mtime > before
        os.utime(path, (1, 1))
    check_images(listed, 8, memory_mb=1)
    assert path.stat().st_mtime > before
