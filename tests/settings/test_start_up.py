"""What is read, refused or explained at once: without torch, and on a screen or two."""

import json
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from sentiment_hf.settings.checks import FIXED
from sentiment_hf.settings.flags import yes_or_no
from sentiment_hf.settings.parser import run_flags
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.settings.run_help import OWN_HELP, USUAL_FLAGS

PROGRAM = """
import json, sys
before = set(sys.modules)
from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.run_flags import parse_run
try:
    parse_run(json.loads(sys.argv[1]))
except (InputError, SystemExit):
    pass
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules.keys() - before})), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--model", "custom-lstm", "--dataset", "sample"],
        ["--model", "me/bert", "--tuning", "lora"],
        ["--model", "baseline-nb-svm"],
        ["--model", "custom-lsmt"],
        ["--lerning_rate", "1"],
        ["--seed", "x"],
        ["--model", "custom-fc", "--fp16", "--bf16"],
        ["--help"],
        ["--help", "all"],
    ],
    ids=" ".join,
)
def test_flags_are_read_with_the_standard_library_and_yaml_alone(words):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(words)], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "yaml" in loaded
    assert "custom_models" not in loaded
    assert loaded & packages_distributions().keys() <= {"yaml", "_yaml", "sentiment_hf"}


def shown(words: list[str], capsys, monkeypatch, columns: int = 80) -> str:
    """What --help prints on a screen of this width."""
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as ended:
        parse_run(words)
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_shows_about_forty_flags_in_groups_on_150_lines(word, capsys, monkeypatch):
    text = shown([word], capsys, monkeypatch)
    lines = text.splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 110
    flags = [line for line in lines if line.startswith("  --")]
    assert 40 <= len(flags) <= 55
    for title in USUAL_FLAGS:
        assert f"\n\n{title}:\n" in text
    assert "--help all" in text


def test_help_all_shows_every_flag(capsys, monkeypatch):
    lines = shown(["--help", "all"], capsys, monkeypatch).splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  --")]
    assert listed == [flag.options[0] for flag in run_flags() if flag.type != "object"]


def test_help_shows_the_values_of_the_recipe_and_of_the_command_line(capsys, monkeypatch):
    def described(*words):
        text = " ".join(shown([*words, "--help"], capsys, monkeypatch).split())
        return text.partition("--max_seq_length N ")[2].partition(" --truncation")[0]

    assert described().endswith("Default: 400.")
    assert described("--model", "custom-lstm").endswith("Default: 600.")
    assert described("--model", "custom-lstm", "--max_seq_length", "77").endswith("Default: 77.")


def test_help_says_of_a_refused_flag_why_it_is_refused(capsys, monkeypatch):
    text = " ".join(shown(["--help", "all"], capsys, monkeypatch).split())
    for name, (_, reason) in FIXED.items():
        assert f" --{name} " in text
        assert f"Not supported: {reason}." in text


def test_help_describes_flags_that_exist():
    names = [name for group in USUAL_FLAGS.values() for name in group.split()]
    assert len(set(names)) == len(names)
    assert {*names, *OWN_HELP} <= {flag.name for flag in run_flags()}


def test_yes_and_no_are_what_the_library_takes():
    string_to_bool = pytest.importorskip("transformers.hf_argparser").string_to_bool
    for word in ("yes", "TRUE", "t", "Y", "1", "no", "False", "f", "n", "0"):
        assert yes_or_no(word) is string_to_bool(word)
