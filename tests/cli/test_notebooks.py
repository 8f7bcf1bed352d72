"""In a notebook the commands work as on the command line: other streams, other threads, a running event loop."""

import asyncio
import io
import threading
from pathlib import Path

import pytest
from helpers import flags, read_report, write_data

from sentiment_hf.cli import list_command, predict_command, run_command
from sentiment_hf.common.command import command_line


class OutStream(io.TextIOBase):
    """As that of ipykernel: text, without `reconfigure`, `buffer` and `fileno`."""

    def __init__(self):
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def shown_in(monkeypatch: pytest.MonkeyPatch) -> OutStream:
    """What the notebook shows from here on; a fixture would be undone when pytest begins the test."""
    stream = OutStream()
    monkeypatch.setattr("sys.stdout", stream)
    return stream


def in_a_thread(work) -> list[int]:
    codes = []
    thread = threading.Thread(target=lambda: codes.append(work()))
    thread.start()
    thread.join()
    return codes


def in_an_event_loop(work) -> list[int]:
    async def cell():
        return work()

    return [asyncio.run(cell())]


@pytest.mark.parametrize("call", [in_a_thread, in_an_event_loop])
def test_a_cell_makes_a_run_and_reads_its_command_again(call, data, tmp_path, monkeypatch):
    shown = shown_in(monkeypatch)
    monkeypatch.setattr("sys.argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    argv = flags(data, tmp_path / "run", model="custom-fc")
    assert call(lambda: run_command(argv)) == [0]
    assert "accuracy" in shown.text
    assert read_report(tmp_path / "run")["command"].startswith("sentiment-hf run --model custom-fc")
    shown.text = ""
    assert call(lambda: predict_command([str(tmp_path / "run"), "a fine film"])) == [0]
    assert "a fine film" in shown.text


def test_the_list_is_shown_without_a_terminal(monkeypatch):
    shown = shown_in(monkeypatch)
    assert list_command([]) == 0
    assert "custom-fc" in shown.text
    # A program without a console has no streams at all.
    monkeypatch.setattr("sys.stdout", None)
    assert list_command([]) == 0


@pytest.mark.parametrize("stream", [None, OutStream()])
def test_texts_are_asked_for_where_there_is_no_standard_input(stream, data, tmp_path, monkeypatch, capsys):
    assert run_command(flags(data, tmp_path / "run", model="custom-fc")) == 0
    monkeypatch.setattr("sys.stdin", stream)
    assert predict_command([str(tmp_path / "run")]) == 2
    assert "give the texts" in capsys.readouterr().err


def test_the_command_of_a_report_is_the_one_that_was_typed(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/sentiment-hf", "run", "--model", "custom-fc"])
    assert command_line("run", ["--model", "custom-fc"]) == "sentiment-hf run --model custom-fc"
    monkeypatch.setattr("sys.argv", ["scripts/run.py", "--model", "custom-fc"])
    assert command_line("run", ["--model", "custom-fc"]) == "run.py --model custom-fc"
    monkeypatch.setattr("sys.argv", ["pytest", "-q"])
    assert command_line("run", ["--model", "a b"]) == "sentiment-hf run --model 'a b'"
