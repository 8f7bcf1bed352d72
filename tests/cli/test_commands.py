"""The command sentiment-hf: which commands there are, and what each way of ending is as an exit code."""

import re
import signal

import pytest

import sentiment_hf
from sentiment_hf import cli
from sentiment_hf.cli import USAGE, exit_code_of, list_command, main
from sentiment_hf.common.errors import InputError, Interrupted, NotPushedError, TrainingError
from sentiment_hf.settings.model_ref import BASELINES, MODELS

COMMANDS = re.findall(r"^  (\w+)  ", USAGE, re.MULTILINE)
assert len(COMMANDS) > 5

ENDS = {
    "input": (InputError("no such file"), 2, "error: no such file\n"),
    "training": (TrainingError("the loss became nan"), 3, "training failed: the loss became nan\n"),
    "not pushed": (NotPushedError("trained, but not pushed"), 4, "trained, but not pushed\n"),
    "signal": (Interrupted(signal.SIGTERM, "saved"), 143, "saved\n"),
    "Ctrl-C": (KeyboardInterrupt(), 130, "interrupted; the same command goes on from the last checkpoint"),
}


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int | str | None:
    """What `main` exits with, None where it returns."""
    monkeypatch.setattr("sys.argv", ["sentiment-hf", *words])
    try:
        return main()
    except SystemExit as stop:
        return stop.code


@pytest.mark.parametrize("case", ENDS)
def test_an_end_has_its_exit_code_and_one_line(case, capsys):
    error, code, said = ENDS[case]

    def work():
        raise error

    assert exit_code_of(work) == code
    shown = capsys.readouterr()
    assert shown.err.startswith(said)
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


def test_what_ends_well_is_zero_and_what_nobody_foresaw_is_not_hidden():
    assert exit_code_of(lambda: None) == 0
    with pytest.raises(ZeroDivisionError):
        exit_code_of(lambda: 1 / 0)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]], ids=str)
def test_without_a_command_the_commands_are_shown(words, monkeypatch, capsys):
    assert call(monkeypatch, *words) is None
    assert capsys.readouterr().out == f"{USAGE}\n"


def test_the_version_is_that_of_the_package(monkeypatch, capsys):
    assert call(monkeypatch, "--version") is None
    assert capsys.readouterr().out == f"{sentiment_hf.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_of_the_usage_is_given_the_words_behind_it(name, monkeypatch):
    given = []
    monkeypatch.setattr(cli, f"{name}_command", lambda argv: given.append(argv) or 7)
    assert call(monkeypatch, name, "a", "--b") == 7
    assert given == [["a", "--b"]]


def test_another_command_is_refused_by_name(monkeypatch, capsys):
    assert call(monkeypatch, "rum", "--model", "custom-fc") == 2
    assert capsys.readouterr().err.endswith("error: no command is called 'rum'\n")


def test_list_describes_every_model_and_every_baseline_in_a_line(capsys):
    assert list_command([]) == 0
    words = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert all(len(words[name]) > 3 for name in MODELS)
    assert all(len(words[name]) > 4 for name in BASELINES)
