import hashlib
import os
import resource

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tests.data.image_files import photo, save_photo
from tests.data.odd_formats import png_bomb, write_odd, write_plain
from tfpt.data import check
from tfpt.data.check import check_images
from tfpt.data.decode import decode_image, resize_image
from tfpt.data.listing import ListedImages


def listed(paths) -> ListedImages:
    paths = [str(path) for path in paths]
    return ListedImages(tuple(os.path.basename(path) for path in paths), np.arange(len(paths), dtype=np.int32),
                        paths=tuple(paths))


def pillow_pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.mark.filterwarnings("ignore:Palette images")
def test_every_format_gives_pillows_pixels(tmp_path):
    plain, odd = write_plain(tmp_path / "plain"), write_odd(tmp_path / "odd")
    paths = {**plain, **{f"odd {name}": path for name, path in odd.items()}}
    checked = check_images(listed(paths.values()), image_size=24, memory_mb=100)
    assert not checked.broken
    for i, (name, path) in enumerate(paths.items()):
        expected = pillow_pixels(path)
        prepared = tf.io.read_file(checked.source.paths[i])
        assert np.array_equal(decode_image(prepared), expected), name
        assert np.array_equal(checked.source.pixels[i], resize_image(expected, 24)), name
        assert checked.source.hashes[i] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (checked.source.paths[i] == str(path)) == (name in plain), name


def test_pillow_itself_turns_each_orientation_upright(tmp_path):
    odd = write_odd(tmp_path)
    checked = check_images(listed([odd["exif_6.png"]]), 8, memory_mb=0)
    assert np.array_equal(checked.source.load(0), np.rot90(photo(), k=-1))


def broken_files(folder):
    Image.fromarray(photo()).save(folder / "good.jpg")
    photo_bytes = (folder / "good.jpg").read_bytes()
    png_bytes = save_photo(folder / "good.png", 1).read_bytes()
    contents = {"empty.jpg": b"", "text.jpg": b"hello", "cut.jpg": photo_bytes[:-200], "cut.png": png_bytes[:-60],
                "bomb.png": png_bomb(30_000, 30_000), "cut.gif": b"GIF89a" + bytes(9)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    webp = save_photo(folder / "cut.webp")
    webp.write_bytes(webp.read_bytes()[:-30])
    Image.fromarray(np.zeros((2, 2), np.float32)).save(folder / "float.tif")
    (folder / "dangling.jpg").symlink_to(folder / "nowhere.jpg")
    os.mkfifo(folder / "pipe.jpg")
    return [*contents, "cut.webp", "float.tif", "dangling.jpg", "pipe.jpg"]


@pytest.mark.parametrize("memory_mb", [0, 10])
def test_broken_images_are_named_and_nothing_is_printed(tmp_path, capfd, memory_mb):
    names = broken_files(tmp_path)
    checked = check_images(listed([tmp_path / name for name in ["good.jpg", *names, "good.png"]]), 16, memory_mb)
    assert checked.source.names == ("good.jpg", "good.png")
    assert checked.kept.tolist() == checked.source.labels.tolist() == [0, len(names) + 1]
    why = {entry.path: entry.why for entry in checked.broken}
    assert list(why) == names
    assert why["empty.jpg"] == "empty file (zero bytes)"
    assert why["text.jpg"] == "not an image: its content is none of JPEG, PNG, BMP, GIF, WebP, TIFF"
    assert why["bomb.png"] == "its header says more than 89,478,485 pixels"
    assert why["cut.jpg"] == why["cut.png"] == "truncated or damaged: its pixels can't be decoded"
    assert why["dangling.jpg"] == "a link to a file that isn't there"
    assert why["pipe.jpg"] == "not a regular file"
    assert capfd.readouterr() == ("", "")


def test_pixels_are_held_only_if_all_fit(tmp_path):
    paths = [save_photo(tmp_path / f"{i}.png", i) for i in range(4)]
    held = check_images(listed(paths), image_size=295, memory_mb=1)  # 4 * 295 * 295 * 3 bytes is just below 1 MiB
    assert held.source.pixels.shape == (4, 295, 295, 3)
    assert check_images(listed(paths), image_size=296, memory_mb=1).source.pixels is None


def test_where_no_file_may_be_large_they_are_not_held(tmp_path):
    paths = list(write_plain(tmp_path).values())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        checked = check_images(listed(paths), 20, 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert checked.source.pixels is None and len(checked.kept) == len(paths) and not checked.broken


def test_pixels_in_memory_are_resized_in_one_channel_if_they_fit(monkeypatch):
    monkeypatch.setattr(check, "_RESIZED_AT_ONCE", 2)
    pixels = np.stack([photo(seed, 8, 8)[..., :1] for seed in range(5)])
    images = ListedImages(tuple("abcde"), np.zeros(5, np.int32), pixels=pixels)
    large = check_images(images, 12, memory_mb=1).source
    assert large.pixels.shape == (5, 12, 12, 1)
    assert np.array_equal(large.load(3), resize_image(pixels[3], 12))
    assert check_images(images, 12, memory_mb=0).source.pixels.shape == pixels.shape
    assert large.hashes[1] == hashlib.sha256(pixels[1].tobytes()).hexdigest()


def test_a_converted_image_is_used_again_and_mended_if_damaged(tmp_path):
    path = write_odd(tmp_path)["rgba.png"]
    first = check_images(listed([path]), 8, 1).source.paths[0]
    made = os.stat(first).st_ino
    assert check_images(listed([path]), 8, 1).source.paths[0] == first
    assert os.stat(first).st_ino == made  # a file made again is another one
    with open(first, "r+b") as stream:
        stream.truncate(60)
    assert np.array_equal(check_images(listed([path]), 8, 0).source.load(0), pillow_pixels(path))


def test_file_names_need_not_be_utf8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    os.rename(save_photo(tmp_path / "a.png"), path)
    assert len(check_images(listed([path]), 8, 1).source) == 1
