import json
import os

import numpy as np
import pytest

from tests.data.image_files import save_photo
from tfpt.data.listing import ALL, ListedImages, Listing, images_below, merge_parts, printable, subfolders_of
from tfpt.errors import DataError


def test_images_below_in_natural_order_without_what_is_no_image(tmp_path):
    for name in ("b/10.PNG", "b/2.png", "a.jpeg", ".hidden.png", ".git/x.png", "__MACOSX/a.png"):
        save_photo(tmp_path / name, format="PNG")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.png").mkdir()
    assert [os.path.relpath(path, tmp_path) for path in images_below(str(tmp_path))] == [
        "a.jpeg", "b/2.png", "b/10.PNG"]


def test_links_are_followed_but_not_round_in_circles(tmp_path):
    save_photo(tmp_path / "real" / "a.png")
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "real" / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    found = images_below(str(tmp_path / "linked"))
    assert [os.path.relpath(path, tmp_path) for path in found] == ["linked/a.png", "linked/gone.png"]


def test_printable_names_survive_json_and_utf8():
    name = printable(os.fsdecode(b"caf\xe9.jpg"))
    assert name == "caf\\xe9.jpg"
    assert json.loads(json.dumps(name)).encode() == name.encode()
    assert printable("café.jpg") == "café.jpg"
    assert printable("two\nlines\x1b[31m\x85\u2028.jpg") == "two\\nlines\\x1b[31m\\x85\\u2028.jpg"
    assert printable("half \ud800.jpg") == "half \\ud800.jpg"


def test_merge_parts():
    def images(count: int, size: int) -> ListedImages:
        return ListedImages(tuple("abc"[:count]), np.arange(count, dtype=np.int32),
                            pixels=np.full((count, size, size, 1), count, np.uint8))

    merged, codes = merge_parts(Listing("t", ("0", "1", "2"), {"train": images(3, 4), "test": images(1, 4)}))
    assert codes.tolist() == [0, 0, 0, 2]
    assert merged.names == ("a", "b", "c", "a") and merged.pixels[:, 0, 0, 0].tolist() == [3, 3, 3, 1]
    assert merge_parts(Listing("t", ("0",), {ALL: images(1, 4)}))[1].tolist() == [-1]
    with pytest.raises(DataError, match="images of 4 x 4 and 5 x 5 pixels"):
        merge_parts(Listing("t", ("0",), {"train": images(1, 4), "test": images(1, 5)}))


def test_a_link_to_a_folder_that_holds_this_one_is_passed_over(tmp_path):
    for name in ("a/0.png", "b/1.png"):
        save_photo(tmp_path / "photos" / name)
    (tmp_path / "photos" / "a" / "up").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "all").symlink_to(".")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "photos" / "a")
    for folder in ("photos/a", "elsewhere"):
        assert [os.path.basename(path) for path in images_below(str(tmp_path / folder))] == ["0.png"]
    assert images_below(str(tmp_path / "photos" / "all")) == []


def test_a_link_that_leads_back_to_itself_is_listed_only_if_it_is_named_as_an_image(tmp_path):
    save_photo(tmp_path / "a.png")
    for name in ("ring", "ring.jpg"):
        (tmp_path / name).symlink_to(name)
    assert subfolders_of(str(tmp_path)) == []
    assert [os.path.basename(path) for path in images_below(str(tmp_path))] == ["a.png", "ring.jpg"]
