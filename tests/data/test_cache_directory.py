from pathlib import Path

from tfpt.data.cache_directory import cache_directory


def test_the_first_variable_that_is_set_decides(monkeypatch):
    monkeypatch.setenv("TFPT_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_directory() == Path("/a")
    monkeypatch.setenv("TFPT_CACHE", "")
    assert cache_directory() == Path("/b/tfpt")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_directory() == Path("/home/someone/.cache/tfpt")
