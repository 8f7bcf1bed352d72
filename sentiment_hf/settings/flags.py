"""`Flag`, and how it is made of a dataclass field, of this package or of TrainingArguments."""

import argparse
import dataclasses
import importlib.metadata
import json
import re
import textwrap
from collections.abc import Callable
from enum import Enum
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from sentiment_hf.settings.training_flags import FLAGS, VERSION

YES = {"yes", "true", "t", "y", "1"}
NO = {"no", "false", "f", "n", "0"}


class Flag(NamedTuple):
    """One flag.

    type: str, int, float, bool, "bool-or-auto" (the word auto too), "json" (an object), "json-or-str" (an object, or
        the path of a file), "str-or-list" (a word on the command line; a recipe may have a list), or "object" (for
        Python code only, without a flag).
    nargs: "?" if the value may be left out, which means true; "+" for one or more values; else None.
    aliases: other names, with their dashes.
    extends: whether the values of a repeated flag are appended, instead of replacing the earlier ones.
    """

    name: str
    type: str
    default: Any
    choices: tuple[str, ...] | None
    nargs: str | None
    help: str
    aliases: tuple[str, ...] = ()
    extends: bool = False

    @property
    def options(self) -> list[str]:
        """The names of the flag on the command line. Help and errors use the first."""
        return [*self.aliases, *dict.fromkeys([f"--{self.name}", f"--{self.name.replace('_', '-')}"])]

    @property
    def negations(self) -> list[str]:
        """`--no_name` and `--no-name`, if the default is yes."""
        if self.type != "bool" or self.default is not True:
            return []
        return list(dict.fromkeys([f"--no_{self.name}", f"--no-{self.name.replace('_', '-')}"]))

    @property
    def read(self) -> Callable[[str], Any]:
        """The function from text to value. It raises argparse.ArgumentTypeError, which says what was expected."""
        return READERS[self.type]


def whole_number(text: str) -> int:
    """The int in a text."""
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}") from error


def number(text: str) -> float:
    """The float in a text, also in the form 1e-3."""
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a number, found {text!r}") from error


def yes_or_no(text: str) -> bool:
    """True for a word of `YES`, False for one of `NO`, in upper or lower case."""
    if text.lower() not in YES | NO:
        raise argparse.ArgumentTypeError(f"expected yes or no (true or false, 1 or 0), found {text!r}")
    return text.lower() in YES


def yes_no_or_auto(text: str) -> bool | str:
    """The word auto, or what `yes_or_no` reads."""
    if text.lower() == "auto":
        return "auto"
    if text.lower() not in YES | NO:
        raise argparse.ArgumentTypeError(f"expected yes, no or auto (or true or false, 1 or 0), found {text!r}")
    return yes_or_no(text)


def json_object(text: str) -> dict:
    """The dict in the text of a JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"expected a JSON object, found {text!r} ({error})") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"expected a JSON object, found {text!r}")
    return value


def json_or_path(text: str) -> str:
    """The text unchanged, if it is a path or a JSON object. `TrainingArguments` reads the object and the file."""
    if text.startswith("{"):
        json_object(text)
    return text


READERS = {
    "str": str,
    "int": whole_number,
    "float": number,
    "bool": yes_or_no,
    "bool-or-auto": yes_no_or_auto,
    "json": json_object,
    "json-or-str": json_or_path,
    "str-or-list": str,
}


def training_flags() -> list[Flag]:
    """The flags of TrainingArguments: from the table if it has the version of transformers that is installed.

    Otherwise the library is imported, which takes seconds.
    """
    if importlib.metadata.version("transformers") == VERSION:
        return [Flag(*row) for row in FLAGS]
    return library_flags()


def library_flags() -> list[Flag]:
    """The flags of TrainingArguments, read from the installed library. Its import takes seconds."""
    from transformers import TrainingArguments

    return [flag._replace(help=first_sentence(flag.help)) for flag in flags_of(TrainingArguments)]


def flags_of(kind: type) -> list[Flag]:
    """A flag for each field of a dataclass. Its metadata may have help, choices, nargs, aliases and extends."""
    hints = get_type_hints(kind)
    return [flag_of(field, hints[field.name]) for field in dataclasses.fields(kind) if field.init]


def flag_of(field: dataclasses.Field, hint: Any) -> Flag:
    """The flag of a field with the type `hint`, by the rules of HfArgumentParser in transformers."""
    kind, is_list, choices = type_of(hint)
    choices = field.metadata.get("choices", choices)
    return Flag(
        field.name,
        kind,
        default_of(field),
        tuple(choices) if choices else None,
        field.metadata.get("nargs", "+" if is_list else "?" if kind == "bool" else None),
        field.metadata.get("help", "").replace("%%", "%"),
        tuple(field.metadata.get("aliases", ())),
        field.metadata.get("extends", False),
    )


def type_of(hint: Any) -> tuple[str, bool, list[str] | None]:
    """(type of the flag, whether it takes a list, values of an enumeration or None)."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    members = [member for member in members if member is not type(None) and get_origin(member) is not Literal]
    lists = [get_args(member)[0] for member in members if get_origin(member) is list]
    enums = [member for member in [*members, *lists] if isinstance(member, type) and issubclass(member, Enum)]
    if enums:
        return "str", bool(lists), [member.value for member in enums[0]]
    if lists:
        return ("str-or-list", False, None) if str in members else ("str", True, None)
    if any(dict in (member, get_origin(member)) for member in members):
        return ("json-or-str" if str in members else "json"), False, None
    known = [kind.__name__ for kind in (bool, int, float, str) if kind in members]
    return (known[0] if known else "object"), False, None


def default_of(field: dataclasses.Field) -> Any:
    """The default of a field. A member of an enumeration is replaced by its value."""
    made = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    return made.value if isinstance(made, Enum) else made


def first_sentence(text: str) -> str:
    """The first sentence of a help text, at most 150 characters of it."""
    words = " ".join(text.split())
    sentence = re.split(r"(?<!e\.g)(?<!i\.e)\.\s", words, maxsplit=1)[0].removesuffix(".")
    return textwrap.shorten(sentence, 150, placeholder=" ...") + ("." if sentence else "")
