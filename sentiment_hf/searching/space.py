"""The space of a search: which values the settings of a run may take, from a YAML file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentiment_hf.common.errors import InputError, listed, suggestion
from sentiment_hf.comparison.plan.flags import DECIDED
from sentiment_hf.comparison.plan.grid import as_word
from sentiment_hf.settings.flags import flags_of
from sentiment_hf.settings.parser import DataArguments, flags_by_name, run_flags
from sentiment_hf.settings.recipes import CONFIGS, Value, read_yaml
from sentiment_hf.settings.run_flags import RUN_PARTS

if TYPE_CHECKING:
    from optuna.trial import Trial

# The settings of a new custom model stand below this key.
OF_MODEL = "model_config"
EXPECTED = "expected {low: 1e-4, high: 1e-2, log: true}, with whole: true for whole numbers, or {choices: [16, 32]}"


@dataclass(frozen=True)
class Dimension:
    """The values of a setting: `choices`, or the numbers from `low` to `high`, `log` evenly in orders of magnitude."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Value, ...] = ()

    def suggest(self, trial: "Trial", name: str) -> Value:
        """The value of a trial."""
        if self.choices:
            return trial.suggest_categorical(name, self.choices)
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def as_drawn(self, value: Value) -> Value:
        """A value of the space, with the type of those that are drawn."""
        if self.choices:
            return self.choices[self.choices.index(value)]
        return int(value) if self.whole else float(value)

    def __contains__(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high


Space = Mapping[str, Dimension]


def built_in(recipe: str | None) -> Path | None:
    """The space beside the recipe of a model; None if there is none."""
    path = CONFIGS / "spaces" / f"{recipe}.yaml"
    return path if path.is_file() else None


def read_space(path: Path) -> Space:
    """{setting: its values}; a setting of the model is called model_config.NAME. Raises InputError."""
    if not path.is_file():
        raise InputError(f"--space {path}: there is no such file")
    content = read_yaml(path, "--space")
    if not isinstance(content, dict) or not content:
        raise InputError(f"--space {path}: expected lines of the form `learning_rate: {{low: 1e-4, high: 1e-2}}`")
    of_model = content.pop(OF_MODEL, None) or {}
    if not isinstance(of_model, dict):
        raise InputError(f"--space {path}: {OF_MODEL}: expected settings of the model with their values")
    known = flags_by_name(run_flags())
    fixed = {name.lstrip("-") for name in DECIDED} | {*RUN_PARTS, "config", "refit"}
    fixed |= {flag.name for flag in flags_of(DataArguments)}
    space = {}
    for name, values in content.items():
        if name not in known:
            raise InputError(f"--space {path}: no flag is called {name!r}{suggestion(str(name), known)}")
        if (full := known[name].name) in fixed:
            raise InputError(f"--space {path}: {name} is the same in all trials; leave it out, or give it as a flag")
        space[full] = read_dimension(path, name, values)
    return space | {f"{OF_MODEL}.{name}": read_dimension(path, name, values) for name, values in of_model.items()}


def read_dimension(path: Path, name: str, values: Any) -> Dimension:
    """The values of a setting; raises InputError if they are written in another form, or are none."""
    where = f"--space {path}: {name}"
    if not isinstance(values, dict) or not (values.keys() == {"choices"} or values.keys() >= {"low", "high"}):
        raise InputError(f"{where}: {EXPECTED}, found {values!r:.80}")
    if "choices" in values:
        choices = values["choices"]
        if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(one, Value) for one in choices):
            raise InputError(f"{where}: expected two choices or more, each a number, a word or yes or no")
        return Dimension(choices=tuple(number(one) for one in choices))
    if more := values.keys() - {"low", "high", "log", "whole"}:
        raise InputError(f"{where}: {EXPECTED}, found {listed(map(str, more))}")
    ends = [number(values[end]) for end in ("low", "high")]
    log, whole = (values.get(key, False) for key in ("log", "whole"))
    if not all(isinstance(one, bool) for one in (log, whole)):
        raise InputError(f"{where}: log and whole are true or false")
    if not all(is_end(end, whole) for end in ends) or not ends[0] < ends[1]:
        kind = "whole numbers" if whole else "numbers"
        raise InputError(
            f"{where}: expected two {kind}, low below high, found {values['low']!r} and {values['high']!r}"
        )
    if log and ends[0] <= 0:
        raise InputError(f"{where}: with log: true low is above 0")
    return Dimension(*ends, log, whole)


def is_end(value: Any, whole: bool) -> bool:
    """Whether a value can be the end of a range."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return False
    return not whole or float(value).is_integer()


def number(value: Value) -> Value:
    """The value, text that is a number as that: in YAML 1e-3 is text."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def as_flags(values: Mapping[str, Value]) -> list[str]:
    """The values of a trial as words of a command line."""
    prefix = f"{OF_MODEL}."
    words = [
        word for name, value in values.items() if not name.startswith(prefix) for word in (f"--{name}", as_word(value))
    ]
    of_model = [
        f"{name.removeprefix(prefix)}={as_word(value)}" for name, value in values.items() if name.startswith(prefix)
    ]
    return [*words, *([f"--{OF_MODEL}", *of_model] if of_model else [])]
