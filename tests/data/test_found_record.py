"""Images in records are checked as files are: decoded elsewhere, converted where TensorFlow reads other pixels."""

import hashlib

import numpy as np
import pytest

from tests.data.image_files import encoded, photo
from tests.data.odd_formats import png_bomb, write_odd, write_plain
from tests.data.test_check import pillow_pixels
from tests.data.tfds.prepared_sets import FORMATS, pictures, prepare
from tfpt.data import check
from tfpt.data.check import check_images
from tfpt.data.decode import resize_image
from tfpt.data.decode_files import decode_files
from tfpt.data.found_record import FoundRecords
from tfpt.data.image_workers import ImageWorkers, WorkerSettings
from tfpt.data.normalise import normalised_path
from tfpt.data.tfds import record_index
from tfpt.data.tfds.layout import read_tfds


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """What was just written is kept nevertheless."""
    monkeypatch.setattr(record_index, "SETTLED_SECONDS", -1.0)


def listed(folder, split="all"):
    return read_tfds(f"tfds:shapes@{split}", str(folder)).parts["all"]


def prepared(folder, contents: list[bytes], file_format="tfrecord"):
    examples = [{"image": content, "label": 0} for content in contents]
    prepare(folder, {"train": examples}, file_format=file_format, shards=min(2, len(examples)))
    return listed(folder)


@pytest.mark.filterwarnings("ignore:Palette images")
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("memory_mb", [0, 10])
def test_every_format_gives_pillows_pixels(tmp_path, file_format, memory_mb):
    files = [*write_plain(tmp_path / "plain").values(), *write_odd(tmp_path / "odd").values()]
    path_of = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in files}
    images = prepared(tmp_path / "sets", [path.read_bytes() for path in path_of.values()], file_format)
    checked = check_images(images, 24, memory_mb)
    assert not checked.broken and set(checked.source.hashes) == set(path_of)
    for index, content_hash in enumerate(checked.source.hashes):
        expected = pillow_pixels(path_of[content_hash])
        assert np.array_equal(checked.source.load(index), resize_image(expected, 24) if memory_mb else expected)
    converted = {path_of[content_hash].parent.name for index, content_hash in enumerate(checked.source.hashes)
                 if checked.source.encoded(index) != path_of[content_hash].read_bytes()}
    assert converted == {"odd"} and checked.source.converted == len(list((tmp_path / "odd").iterdir()))


@pytest.mark.parametrize("file_format", FORMATS)
def test_broken_images_are_named_and_the_others_used(tmp_path, file_format, capfd):
    good = [encoded(photo(seed), "JPEG") for seed in range(3)]
    bad = {b"": "empty file (zero bytes)", b"hello": "not an image: its content is none of JPEG, PNG, BMP, GIF, WebP, "
           "TIFF", good[0][:-200]: "truncated or damaged: its pixels can't be decoded",
           png_bomb(30_000, 30_000): "its header says more than 89,478,485 pixels"}
    images = prepared(tmp_path, [*good, *bad], file_format)
    found = [images.records.stored(index) for index in range(len(images))]
    checked = check_images(images, 8, 10)
    assert {item.path: item.why for item in checked.broken} == {
        f"shapes/train[{found.index(content)}]": why for content, why in bad.items()}
    assert sorted(checked.source.encoded(index) for index in range(3)) == sorted(good)
    assert [images.names[place] for place in checked.kept] == list(checked.source.names)
    assert capfd.readouterr() == ("", "")


def test_what_is_known_to_be_good_is_decoded_when_it_is_needed_alone(tmp_path, monkeypatch):
    first = check_images(prepared(tmp_path, [image["image"] for image in pictures(5)]), 8, 10).source
    monkeypatch.setattr(check, "ImageWorkers", None)
    again = check_images(listed(tmp_path), 8, 10).source
    assert again.pixels is None and again.hashes == first.hashes
    assert np.array_equal(np.asarray(again.held), np.asarray(first.pixels))
    decoded, pixels = decode_files(check_images(listed(tmp_path), 8, 0).source.stored, 8)
    assert decoded.all() and np.array_equal(pixels, np.asarray(first.pixels))


def test_what_is_new_is_checked_and_what_is_known_is_not(tmp_path, monkeypatch):
    prepare(tmp_path, {"train": pictures(6), "test": pictures(2, 50)})
    check_images(listed(tmp_path, "train"), 8, 0)
    asked = []
    real = ImageWorkers.check
    monkeypatch.setattr(ImageWorkers, "check", lambda self, request, *place: (asked.append(request.contents),
                                                                              real(self, request, *place))[1])
    assert len(check_images(listed(tmp_path, "train+test"), 8, 0).source) == 8
    assert sorted(asked) == sorted(image["image"] for image in pictures(2, 50))


def test_a_converted_image_that_is_gone_is_made_again(tmp_path):
    odd = write_odd(tmp_path / "odd")["rgba.png"]
    images = prepared(tmp_path / "sets", [odd.read_bytes()])
    first = check_images(images, 8, 0).source
    normalised_path(first.hashes[0]).unlink()
    again = check_images(listed(tmp_path / "sets"), 8, 0).source
    assert np.array_equal(again.load(0), pillow_pixels(odd))


def test_what_harms_its_decoder_is_named_and_all_others_are_used(tmp_path):
    good = [image["image"] for image in pictures(5)]
    images = prepared(tmp_path, [*good, b"segfault"])
    checked = check_images(images, 8, 10, WorkerSettings(wrapper="tests.data.harmful_images:by_contents"))
    assert [item.why for item in checked.broken] == ["its decoder crashed (SIGSEGV)"]
    assert sorted(checked.source.encoded(index) for index in range(5)) == sorted(good)


def test_too_large_records_are_not_read(tmp_path, monkeypatch):
    images = prepared(tmp_path, [image["image"] for image in pictures(3)])
    images.records._indices[0].rows["length"][0] = 2**31
    monkeypatch.setattr(images.records._indices[0].shard.__class__, "read", None)
    found = FoundRecords(images.records)
    assert len(found) == 3 and not found[0].may_be_whole and not found[0].is_new
    assert found[0].unchecked().broken_because == "larger than 1 GiB" and found[1].unchecked().broken_because is None
    assert [record.index for record in found] == [0, 1, 2]
