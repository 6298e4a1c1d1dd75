"""``tfpt cache``, through the root command: exit codes and streams as a user sees them."""

import json
import os
import re
import time

import pytest
from PIL import Image

from tests.data.row_folder_files import flip, segment, written
from tfpt.cli import main
from tfpt.data.normalise import normalised_png
from tfpt.data.row_folders import list_folders, prefix_directory

DAY_SECONDS = 86_400


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tfpt(capsys):
    """Runs the command line: exit code, stdout, stderr."""
    def run(*arguments):
        code = main(["cache", *arguments])
        return (code, *capsys.readouterr())

    return run


def make(name, count=5, days_ago=0.0):
    folder = written(prefix_directory() / name, range(count))
    used = time.time() - days_ago * DAY_SECONDS
    for file in folder.iterdir():
        os.utime(file, (used, used))
    return folder


def convert(days_ago=0.0):
    path = normalised_png(Image.new("RGB", (2, 2)), "ab" * 32)
    used = time.time() - days_ago * DAY_SECONDS
    os.utime(path, (used, used))
    return path


def names():
    return [folder.name for folder in list_folders()]


def test_list_is_an_aligned_table_with_the_total(tfpt, own_cache):
    make("abc123", 7)
    make("def456", 30_000, days_ago=3)
    convert()
    code, out, _ = tfpt("list")
    header, first, second, images, total = out.splitlines()
    assert code == 0 and re.split("  +", header) == ["name", "what", "rows", "size", "last used"]
    assert re.fullmatch(r"def456 +small +30000 +1\.7 MB +\d{4}-\d\d-\d\d \d\d:\d\d", first)
    assert re.search(r"small +7  ", second) and re.match(r"converted +images converted to PNG +1 +\d+ B  ", images)
    assert total.split()[:2] == ["total", str(own_cache)] and "1.7 MB" in total
    assert {line.index("small") for line in (first, second)} == {images.index("images")}


def test_list_as_json(tfpt, own_cache):
    make("abc123", 7)
    code, out, _ = tfpt("list", "--json")
    found = json.loads(out)
    (folder,) = found["folders"]
    assert code == 0 and found["cache"] == str(own_cache) and found["bytes"] == folder["bytes"] > 7 * 40
    assert (folder["name"], folder["rows"], folder["segments"], folder["about"]["model"]) == ("abc123", 7, 1, "small")
    assert found["converted"] == {"images": 0, "bytes": 0, "last_used": None}


@pytest.mark.parametrize(("arguments", "part"), [(["list"], "Nothing is kept"), (["verify"], "Nothing is kept"),
                                                 (["clear"], "nothing to remove")])
def test_an_empty_cache_is_said_on_stderr(tfpt, own_cache, arguments, part):
    code, out, err = tfpt(*arguments)
    assert code == 0 and out == "" and part in err and not own_cache.exists()


def test_verify_says_ok_or_removes_what_is_damaged_with_code_4(tfpt):
    make("abc123")
    flip(segment(make("def456")), 0)
    code, out, err = tfpt("verify")
    assert code == 4 and [line.split()[:3] for line in out.splitlines()[1:]] == [
        ["abc123", "1", "ok"], ["def456", "1", "damaged:"]]
    assert "def456" in err and "sha256" in err and "abc123" not in err
    code, out, err = tfpt("verify", "--json")
    assert code == 0 and err == "" and json.loads(out)["folders"] == [
        {"name": "abc123", "segments": 1, "damaged": []}, {"name": "def456", "segments": 0, "damaged": []}]


def test_verify_as_json_has_code_4_too(tfpt):
    flip(segment(make("abc123")), -1)
    code, out, _ = tfpt("verify", "--json")
    assert code == 4 and len(json.loads(out)["folders"][0]["damaged"]) == 1


def test_clear_removes_everything_and_tells_how_much(tfpt, own_cache):
    make("abc123", 30_000)
    old = convert(days_ago=2)
    code, out, _ = tfpt("clear")
    assert code == 0 and names() == [] and not old.exists()
    assert [line.split()[0] for line in out.splitlines()] == ["removed", "abc123", "converted", "total"]
    assert out.splitlines()[-1].split() == ["total", "1.7", "MB"]


def test_clear_leaves_converted_images_of_today_unless_they_are_named(tfpt):
    image, _ = convert(), make("abc123")
    tfpt("clear", "--older-than", "0")
    assert names() == [] and image.exists()
    make("abc123")
    code, out, _ = tfpt("clear", "converted", "--json")
    assert code == 0 and not image.exists() and names() == ["abc123"]
    assert [item["name"] for item in json.loads(out)["removed"]] == ["converted"]


def test_clear_takes_names_and_beginnings_of_names(tfpt):
    for name in ("abc123", "abc999", "def456", "xyz"):
        make(name)
    image = convert(days_ago=9)
    assert tfpt("clear", "abc", "def456")[0] == 0 and names() == ["xyz"] and image.exists()


@pytest.mark.parametrize(("days", "left"), [("2", ["new"]), ("0.5", []), ("9", ["new", "old"])])
def test_older_than_counts_from_the_last_use(tfpt, days, left):
    make("old", days_ago=3)
    make("new", days_ago=1)
    image = convert(days_ago=3)
    tfpt("clear", "--older-than", days)
    assert sorted(names()) == left and image.exists() == (days == "9")


def test_older_than_holds_for_what_is_named_too(tfpt):
    make("old", days_ago=3)
    image = convert(days_ago=0.5)
    assert tfpt("clear", "old", "converted", "--older-than", "5")[0] == 0
    assert names() == ["old"] and image.exists()


@pytest.mark.parametrize(("name", "part"), [("abd123", "Did you mean abc123?"), ("convertd", "Did you mean converted?"),
                                            ("zzzzzz", "`tfpt cache list`"), ("", "`tfpt cache list`")])
def test_an_unknown_name_is_code_2_and_nothing_is_removed(tfpt, name, part):
    make("abc123")
    code, out, err = tfpt("clear", "abc123", name)
    assert code == 2 and out == "" and part in err and names() == ["abc123"]


def test_a_cache_that_refuses_is_an_error_that_says_where(tfpt, monkeypatch):
    make("abc123")

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "unlink", refuse)
    code, _, err = tfpt("clear")
    assert code == 2 and "Permission denied" in err and "abc123" in err and "TFPT_CACHE" in err


@pytest.mark.parametrize("days", ["nan", "-1", "x"])
def test_older_than_takes_a_number_of_days(tfpt, days):
    make("abc123")
    code, out, errors = tfpt("clear", "--older-than", days)
    assert code == 2 and out == "" and "--older-than" in errors and names() == ["abc123"]
