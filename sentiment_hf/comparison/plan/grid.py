"""The grid of a recipe: a model with placeholders, filled in with every combination of values."""

import itertools
import re
import shlex
from collections.abc import Mapping

from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.recipes import Settings, Value

PLACEHOLDER = re.compile(r"\{(\w+)\}")


def expand(template: str, grid: Mapping[str, list[Value]]) -> list[tuple[str, Settings]]:
    """(filled template, settings) for each combination of the values; the last key varies fastest.

    The template `custom-{cell} --max_seq_length {length}` with the grid {cell: [rnn, gru], length: [100, 200]} gives
    four models.

    Raises:
        InputError: the grid is malformed, or its keys are not the placeholders of the template.
    """
    require_valid_grid(template, grid)
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [(fill_template(template, settings), settings) for settings in combinations]


def require_valid_grid(template: str, grid: Mapping[str, list[Value]]) -> None:
    """Raise InputError if the grid is malformed, or if its keys are not the placeholders of the template."""
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


def fill_template(template: str, settings: Settings) -> str:
    """The template with each {key} replaced by its value, quoted to stay one word of a command line."""
    return PLACEHOLDER.sub(lambda found: shlex.quote(as_word(settings[found[1]])), template)


def as_word(value: Value) -> str:
    """A value as a word of a command line: True -> true"""
    return str(value).lower() if isinstance(value, bool) else str(value)


def settings_not_in_name(template: str, settings: Settings) -> Settings:
    """The settings whose placeholder is not in the name of the model, where {cell} of custom-{cell} is."""
    in_model = PLACEHOLDER.findall(template.split()[0])
    return {key: value for key, value in settings.items() if key not in in_model}


def name_with_settings(model: str, settings: Settings) -> str:
    """The name of a model with its settings: custom-lstm-batch16-mean"""
    words = [re.sub(r"[^\w.+-]+", "-", setting_text(key, value)) for key, value in settings.items()]
    return "-".join([model, *words])


def setting_text(key: str, value: Value) -> str:
    """A setting as a part of a name: batch16 for a number, mask or no-mask for true and false, a word as it is."""
    if isinstance(value, bool):
        return key if value else f"no-{key}"
    return value if isinstance(value, str) else f"{key}{value}"
