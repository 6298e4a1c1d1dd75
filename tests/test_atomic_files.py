import os

import pytest

from tfpt.atomic_files import atomic_write_bytes, atomic_write_text, read_own_text
from tfpt.errors import RunError


def test_content_is_replaced_whole_and_nothing_is_left_beside(tmp_path):
    file = tmp_path / "a.json"
    atomic_write_text(file, "älter")
    atomic_write_bytes(file, b"new")
    assert file.read_bytes() == b"new" and os.listdir(tmp_path) == ["a.json"]


def test_a_failure_before_the_rename_keeps_the_old_content(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    atomic_write_text(file, "old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match="No space left"):
        atomic_write_text(file, "new")
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["a.json"]


def test_the_content_is_synced_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    calls = []
    real_sync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (calls.append("sync"), real_sync(number)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("rename"), real_replace(*paths)))
    atomic_write_text(tmp_path / "a", "x")
    assert calls == ["sync", "rename", "sync"]


def test_a_missing_folder_is_an_error_with_advice(tmp_path):
    with pytest.raises(RunError, match="--run-dir"):
        atomic_write_text(tmp_path / "none" / "a", "x")


def test_a_text_of_a_run_is_read_through_links_too(tmp_path):
    (tmp_path / "text").write_text("ä\n", encoding="utf-8")
    (tmp_path / "link").symlink_to("text")
    assert read_own_text(tmp_path / "link") == "ä\n"


@pytest.mark.parametrize("make", [
    lambda path: os.mkfifo(path), lambda path: path.symlink_to("/dev/zero"), lambda path: path.mkdir(),
    lambda path: path.write_bytes(b"\xff"), lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 2**40),
], ids=["pipe", "device", "folder", "no text", "a terabyte"])
def test_what_is_no_text_of_a_run_is_not_read(tmp_path, make):
    make(tmp_path / "it")
    with pytest.raises((OSError, ValueError)):
        read_own_text(tmp_path / "it")
