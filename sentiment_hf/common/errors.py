"""Errors that end a command, and context managers that turn errors of libraries into `InputError`.

`cli.exit_code_of` turns InputError, TrainingError, NotPushedError and Interrupted into the exit codes 2, 3, 4 and
128 + signal.
"""

import argparse
import difflib
import reprlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

# The most characters of a message, a few lines of a terminal. A text of the user may have millions.
MESSAGE_LENGTH = 500
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 60
SHORT.maxdict = SHORT.maxlist = SHORT.maxlevel = 2


def one_line(message: object) -> str:
    """The message in one line of at most `MESSAGE_LENGTH` characters; the middle of a longer one is left out.

    The beginning names flag, file and row, and the end says what to do.
    """
    line = " ".join(str(message).splitlines())
    if len(line) <= MESSAGE_LENGTH:
        return line
    end = MESSAGE_LENGTH // 2 - 5
    return f"{line[: MESSAGE_LENGTH - end - 5]} ... {line[-end:]}"


# What transformers says of a checkpoint -> what it means here.
LOADING_REASONS = {
    "trust_remote_code=True": "its code comes with it; read that code, then add --trust_remote_code to run it",
    "Unrecognized configuration class": "transformers has no text classifier for models of its type",
}


class OneLineError(Exception):
    """An error whose message is one line."""

    def __init__(self, message: object = ""):
        super().__init__(one_line(message))


class InputError(OneLineError, ValueError):
    """The user's input cannot be used. The message states what was expected, what was found and what to do."""


class TrainingError(OneLineError, RuntimeError):
    """Training or scoring started and failed, for example because the loss is not finite."""


class NotPushedError(OneLineError, RuntimeError):
    """The run is complete and saved, but was not pushed to the Hub."""


class FlagParser(argparse.ArgumentParser):
    """An `ArgumentParser` that raises `InputError` for wrong flags instead of ending the process."""

    def error(self, message: str):
        """Raise InputError; argparse calls this method for every wrong flag or value."""
        raise InputError(f"{message}; --help lists the flags")


def excerpt(value: object) -> str:
    """The `repr` of a value, some 60 characters of a longer one."""
    shown = SHORT.repr(value)
    return shown if len(shown) <= 63 else f"{shown[:60]}..."


def listed(names: Iterable[object], most: int = 12) -> str:
    """The names with commas between them, each in at most 40 characters, and the number of those beyond `most`."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"{name!s:.40}" for name in islice(names, most)) + more


def suggestion(name: str, known: Iterable[str]) -> str:
    """A question that suggests the name in `known` most similar to `name`; empty if none is similar."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The `suggestion` for `name`, followed by the list of all known names."""
    known = list(known)
    return f"{suggestion(name, known)} (known: {listed(known)})"


class Interrupted(Exception):  # noqa: N818
    """A signal stopped the run. A checkpoint was saved before; `signum` is the number of the signal."""

    def __init__(self, signum: int, message: str):
        super().__init__(message)
        self.signum = signum


@contextmanager
def failure_explained(model: str, flag: str = "--model") -> Iterator[None]:
    """Turn every exception raised while a model is loaded into an InputError that names `flag` and `model`.

    `Exception` is caught because damaged files raise unrelated types: safetensors and the configs of transformers
    define their own exceptions, tokenizers raises `Exception`, a list in config.json leads to AttributeError.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        for words, meaning in LOADING_REASONS.items():
            if words in reason:
                raise InputError(f"{flag} {model} cannot be loaded: {meaning}") from error
        raise InputError(f"{flag} {model} cannot be loaded ({type(error).__name__}): {reason}") from error


@contextmanager
def extra_explained(extra: str) -> Iterator[None]:
    """Turn an ImportError into an InputError that says how to install the optional dependencies `extra`."""
    try:
        yield
    except ImportError as error:
        raise InputError(f"{error.name} is not installed: pip install 'sentiment-hf[{extra}]'") from error


@contextmanager
def windows_explained(what: str) -> Iterator[None]:
    """Turn the ImportError of a standard module that Windows lacks into an InputError.

    `what` begins the message and says what the module is used for: "runs lock their output folder". Use it at the
    top of a file: the import of that file then fails before anything is read or written.
    """
    try:
        yield
    except ImportError as error:
        raise InputError(f"{what} by {error.name}, which Windows does not have; use WSL") from error
