"""The grid of a recipe: one model as a template, filled in with every combination of its settings."""

import itertools
import re
import shlex
from collections.abc import Mapping

from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.recipes import Settings, Value

PLACEHOLDER = re.compile(r"\{(\w+)\}")


def expand(template: str, grid: Mapping[str, list[Value]]) -> list[tuple[str, Settings]]:
    """The template filled in, and with what, for each combination; the last key varies fastest.

    `custom-{cell} --max_seq_length {length}` of {cell: [rnn, gru], length: [100, 200]} is four models.

    Raises:
        InputError: the grid is none, or its keys are not the placeholders of the template.
    """
    check(template, grid)
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [(filled(template, settings), settings) for settings in combinations]


def check(template: str, grid: Mapping[str, list[Value]]) -> None:
    """Raises InputError as `expand`."""
    if not isinstance(grid, dict):
        raise InputError(f"grid: expected keys with their values, as in {{batch: [16, 32]}}, found {grid!r}")
    for key, values in grid.items():
        if not (isinstance(values, list) and values and all(isinstance(value, Value) for value in values)):
            raise InputError(f"grid: {key}: expected a list of numbers, words or true and false, found {values!r}")
    used = PLACEHOLDER.findall(template)
    if unused := [key for key in grid if key not in used]:
        raise InputError(f"grid: {unused[0]}: the model {template!r} has no {{{unused[0]}}} to put its values in")
    if empty := [key for key in used if key not in grid]:
        raise InputError(f"--models {template!r}: the grid of the recipe has no values for {{{empty[0]}}}")


def filled(template: str, settings: Settings) -> str:
    """Each {key} replaced by its value, which stays one word of a command line."""
    return PLACEHOLDER.sub(lambda found: shlex.quote(as_word(settings[found[1]])), template)


def as_word(value: Value) -> str:
    """As a command line has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def unsaid(template: str, settings: Settings) -> Settings:
    """Those that are no part of what the model is called by itself, as {cell} is in custom-{cell}."""
    in_model = PLACEHOLDER.findall(template.split()[0])
    return {key: value for key, value in settings.items() if key not in in_model}


def name_of(model: str, settings: Settings) -> str:
    """custom-lstm-batch16-mean"""
    words = [re.sub(r"[^\w.+-]+", "-", spoken(key, value)) for key, value in settings.items()]
    return "-".join([model, *words])


def spoken(key: str, value: Value) -> str:
    """batch16 of a number, mask or no-mask of true and false, and a word as it is."""
    if isinstance(value, bool):
        return key if value else f"no-{key}"
    return value if isinstance(value, str) else f"{key}{value}"
