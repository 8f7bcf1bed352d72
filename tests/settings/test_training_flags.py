"""The committed table of flags is that of the installed library, by the library's own parser."""

import dataclasses
import importlib.metadata
import subprocess
from enum import Enum
from pathlib import Path
from typing import get_origin

import pytest
from launching import python
from transformers import HfArgumentParser, TrainingArguments
from transformers.hf_argparser import string_to_bool

from sentiment_hf.settings import flags
from sentiment_hf.settings.flags import library_flags, training_flags
from sentiment_hf.settings.training_flags import FLAGS, VERSION

ROOT = Path(__file__).parents[2]
TABLE = {row[0]: row for row in FLAGS}
DEFAULTS = {
    field.name: field.default_factory() if field.default is dataclasses.MISSING else field.default
    for field in dataclasses.fields(TrainingArguments)
}
ACTIONS = {action.option_strings[0].lstrip("-"): action for action in HfArgumentParser(TrainingArguments)._actions}

of_this_version = pytest.mark.skipif(
    importlib.metadata.version("transformers") != VERSION, reason=f"the table is that of transformers {VERSION}"
)


@of_this_version
def test_the_table_has_the_fields_of_the_library_in_their_order():
    assert list(TABLE) == [field.name for field in dataclasses.fields(TrainingArguments)]


@of_this_version
@pytest.mark.parametrize("name", TABLE)
def test_a_flag_of_the_table_takes_what_that_of_the_library_takes(name):
    _, kind, default, choices, nargs, text = TABLE[name]
    theirs = ACTIONS[name]
    assert (default, type(default)) == (DEFAULTS[name], type(DEFAULTS[name]))
    if isinstance(theirs.type, type) and issubclass(theirs.type, Enum):
        assert choices == tuple(member.value for member in theirs.type)
    else:
        assert choices == (tuple(theirs.choices) if theirs.choices else None)
    # The library takes no flag alone for yes where none of the two is the default; we do.
    assert nargs == ("?" if theirs.type is string_to_bool else theirs.nargs)
    known = {int: "int", float: "float", string_to_bool: "bool", dict: "json"}
    if (plain := get_origin(theirs.type) or theirs.type) in known:
        assert kind == known[plain]
    elif name == "parallelism_config":
        assert kind == "object"
    else:
        assert kind in ("str", "str-or-list", "json-or-str")
    assert 0 < len(text) <= 150


@of_this_version
def test_what_may_be_an_object_is_told_from_text():
    assert {name for name, row in TABLE.items() if row[1] == "json-or-str"} == {*TrainingArguments._VALID_DICT_FIELDS}
    assert {name for name, row in TABLE.items() if row[1] == "str-or-list"} == {"report_to", "optim_target_modules"}


@of_this_version
def test_the_table_and_the_library_are_read_alike():
    assert training_flags() == library_flags()


def test_with_another_version_the_library_is_read(monkeypatch):
    monkeypatch.setattr(flags, "VERSION", "4.0.0")
    monkeypatch.setattr(flags, "FLAGS", ())
    assert [flag.name for flag in training_flags()] == [field.name for field in dataclasses.fields(TrainingArguments)]


@of_this_version
def test_the_script_writes_the_table_that_is_committed(tmp_path):
    copy = tmp_path / "sentiment_hf" / "settings" / "training_flags.py"
    for name in ("settings/flags.py", "settings/__init__.py", "settings/training_flags.py", "__init__.py"):
        (tmp_path / "sentiment_hf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sentiment_hf" / name).write_bytes((ROOT / "sentiment_hf" / name).read_bytes())
    copy.write_text('VERSION = "4.0.0"\nFLAGS = ()\n')
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "training_flags.py"
    script.write_bytes((ROOT / "scripts" / "training_flags.py").read_bytes())
    subprocess.run([python(), script], cwd=tmp_path, check=True, timeout=120)
    assert copy.read_text() == (ROOT / "sentiment_hf" / "settings" / "training_flags.py").read_text()
