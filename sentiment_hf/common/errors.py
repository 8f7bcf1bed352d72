"""The four ways in which a run can end early; the command line turns them into exit codes: 2, 3, 4, 128 + signal."""

import argparse
import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """The user's input cannot be used: the message says what was expected, what was found and what to do."""


class TrainingError(RuntimeError):
    """Training began and could not go on (loss not finite)."""


class NotPushedError(RuntimeError):
    """Trained and saved, but not on the Hub."""


class FlagParser(argparse.ArgumentParser):
    """Raises `InputError` where argparse would exit by itself."""

    def error(self, message: str):
        """Called by argparse on a wrong value."""
        raise InputError(f"{message}; --help lists the flags")


def suggestion(name: str, known: Iterable[str]) -> str:
    """', did you mean X?' when something similar is known, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The suggestion, then the whole choice."""
    known = list(known)
    return f"{suggestion(name, known)} (known: {', '.join(known)})"


class Interrupted(Exception):  # noqa: N818
    """A signal stopped the run after it was saved."""

    def __init__(self, signum: int, message: str):
        super().__init__(message)
        self.signum = signum


@contextmanager
def failure_explained(model: str, flag: str = "--model") -> Iterator[None]:
    """One sentence for the many things that a checkpoint or an adapter can be refused for.

    What a damaged file raises has no family: safetensors and the strict configs have exceptions of their own,
    tokenizers raises Exception itself, and a config.json that holds a list ends in an AttributeError.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{flag} {model} cannot be loaded ({type(error).__name__}): {reason}") from error


@contextmanager
def extra_explained(extra: str) -> Iterator[None]:
    """Around the import of a package that only this extra brings."""
    try:
        yield
    except ImportError as error:
        raise InputError(f"{error.name} is not installed: pip install 'sentiment-hf[{extra}]'") from error


@contextmanager
def windows_explained(what: str) -> Iterator[None]:
    """Around the import of a module that Windows does not have, at the head of the file that needs it.

    The file is then refused as a whole, before anything is read or written; `what` says what the module is for.
    """
    try:
        yield
    except ImportError as error:
        raise InputError(f"{what} by {error.name}, which Windows does not have; use WSL") from error
