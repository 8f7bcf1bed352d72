"""The cache: an entry is whole or absent, what was not used for longest goes, and a full disk is no cache."""

import errno
import logging
import os
from multiprocessing import get_context
from pathlib import Path

import pytest

from sentiment_hf.common import cache as module
from sentiment_hf.common.cache import Cache


def write(content: str):
    return lambda folder: (folder / "content").write_text(content)


def fail(error: BaseException):
    def make(folder: Path):
        (folder / "half").write_text("half")
        raise error

    return make


def test_an_entry_is_made_once(tmp_path):
    cache = Cache(tmp_path / "not" / "there")
    assert (cache.folder("a", write("first")) / "content").read_text() == "first"
    assert (cache.folder("a", write("second")) / "content").read_text() == "first"
    assert [path.name for path in cache.home.iterdir()] == ["a"]


def test_without_a_home_nothing_is_made():
    assert Cache().folder("a", fail(AssertionError())) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("bad"), OSError(errno.ENOSPC, "No space left")])
def test_an_entry_that_could_not_be_made_leaves_nothing(tmp_path, error, caplog):
    cache = Cache(tmp_path / "cache")
    if isinstance(error, OSError):
        with caplog.at_level(logging.WARNING):
            assert cache.folder("a", fail(error)) is None
        assert caplog.messages == [f"no cache in {cache.home}: No space left"]
    else:
        with pytest.raises(type(error)):
            cache.folder("a", fail(error))
    assert not list(cache.home.iterdir())


def test_a_folder_that_cannot_be_made_is_no_cache(tmp_path, caplog):
    (tmp_path / "file").touch()
    assert Cache(tmp_path / "file" / "cache").folder("a", write("x")) is None
    assert "no cache in" in caplog.text


def test_what_was_used_longest_ago_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 25)
    cache = Cache(tmp_path)
    for age, key in enumerate("cba"):
        os.utime(cache.folder(key, write("x" * 10)), (age, age))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    cache.folder("c", write("other"))
    cache.folder("d", write("x" * 10))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c", "d"]


def make_slowly(home: Path, barrier, number: int) -> None:
    def make(folder: Path):
        barrier.wait()
        (folder / "content").write_text(str(number) * 1000)

    assert len(set((Cache(home).folder("a", make) / "content").read_text())) == 1


def test_two_processes_make_the_same_entry_at_once(tmp_path):
    context = get_context("fork")
    barrier = context.Barrier(2)
    started = [context.Process(target=make_slowly, args=(tmp_path, barrier, number)) for number in (1, 2)]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
