"""Flags that are for another task than that of the data."""

from typing import TYPE_CHECKING

from sentiment_hf.common.errors import InputError

if TYPE_CHECKING:
    from sentiment_hf.settings.arguments import RunArguments


def refuse_flags(run: "RunArguments", task: str, **others: str) -> None:
    """Raise InputError for the first flag of `run` that has a value; `others` are the tasks of such flags by name."""
    for flag, other in others.items():
        if (value := getattr(run, flag)) is not None:
            raise InputError(
                f"--{flag} {value} is for --task {other}, and the labels are read as {task}; leave it out, or add "
                f"--task {other}"
            )
