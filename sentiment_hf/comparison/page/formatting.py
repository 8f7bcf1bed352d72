"""Numbers and names as text for the tables of the page; an unknown value (None) is a dash."""

from collections.abc import Callable

from sentiment_hf.comparison.statistics.advice import SIDE_BY_SIDE
from sentiment_hf.comparison.statistics.measures import LEVEL
from sentiment_hf.robustness.names import NAMES
from sentiment_hf.tasks.task import Score, with_digits

MISSING = "–"
MINUS = "−"


def percent(rate: float | None) -> str:
    """0.8940 -> 89.40; the header of the column says %."""
    return MISSING if rate is None else f"{100 * rate:.2f}"


def decimals(value: float | None) -> str:
    """0.28154 -> 0.282"""
    return MISSING if value is None else f"{value:.3f}"


def headed(score: Score) -> str:
    """The name of a score with its unit: accuracy (%), RMSE"""
    return f"{score.name} ({score.unit})" if score.unit else score.name


def significant(value: float | None) -> str:
    """2.19187 -> 2.192: a value in the unit of the data"""
    return MISSING if value is None else with_digits(value, 4)


def shape(score: Score) -> Callable[[float | None], str]:
    """The function of this file that formats the values of a score."""
    if score.unit == "%":
        return percent
    return decimals if score.unit else significant


def signed_shape(score: Score) -> Callable[[float], str]:
    """The function that formats differences of a score."""
    return lambda difference: signed(difference, score)


def signed(difference: float, score: Score) -> str:
    """A difference of two values of a score with its sign; of shares in percentage points."""
    if score.unit == "%":
        return signed_points(difference)
    text = with_digits(abs(difference), 3)
    return "0" if difference == 0 else f"{MINUS if difference < 0 else '+'}{text}"


def amount(value: float | None) -> str:
    """A measured quantity, about three digits of it: 0.05, 13.2, 51,632; < 0.01 for one that would round to 0.00."""
    if value is None:
        return MISSING
    if 0 < value < 0.005:
        return "< 0.01"
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def marked(text: str, model: dict) -> str:
    """The training time or speed of a model, as text, with a mark if it was made beside others."""
    return f"{text} {SIDE_BY_SIDE}" if "side_by_side" in model else text


def megabytes(size: int | None) -> str:
    """Bytes -> megabytes (10^6 bytes)."""
    return MISSING if size is None else amount(size / 1e6)


def count(value: int | None) -> str:
    """22713986 -> 22,713,986"""
    return MISSING if value is None else f"{value:,}"


def signed_points(difference: float) -> str:
    """A difference of two rates in percentage points, with its sign: 0.0123 -> +1.23"""
    text = f"{100 * abs(difference):.2f}"
    return text if text == "0.00" else f"{MINUS if difference < 0 else '+'}{text}"


def p_value(p: float) -> str:
    """p < 0.001, p = 0.021, p = 0.21"""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.0995 else f"p = {p:.2f}"


def excerpt(text: str, length: int = 500) -> str:
    """The text; of a long one the first words, at most `length` characters, and […]."""
    return text if len(text) <= length else f"{text[:length].rsplit(maxsplit=1)[0]} […]"


def with_interval(score: dict | None, shape: Callable[[float], str]) -> str:
    """90.65, 90.29 to 91.01: a score and its interval, each number formatted by `shape`, a function of this file.

    The score alone if its interval is unknown.
    """
    if score is None or score["low"] is None:
        return MISSING if score is None else shape(score["value"])
    value, low, high = (shape(score[key]) for key in ("value", "low", "high"))
    return f"{value}, {low} to {high}"


def with_change(effect: dict, score: Score) -> str:
    """−1.20, −2.40 to 0.00: what a perturbation changes, and its interval."""
    low, high = (signed(bound, score) for bound in effect["interval"])
    return f"{signed(effect['change'], score)}, {low} to {high}"


def breaks_on(entry: dict, score: Score) -> str:
    """What costs a model most on changed texts, if that is more than chance, and what changes its answers most."""
    effects = entry["effects"]
    worst = max(effects, key=lambda key: score.rank(effects[key]["score"]))
    moved = max(effects, key=lambda key: effects[key]["moved"])
    loses = f"no {score.name} beyond chance"
    if effects[worst]["p_holm"] < LEVEL and score.rank(effects[worst]["score"]) > score.rank(entry["score"]):
        unit = " points" if score.unit == "%" else ""
        loses = f"most with {NAMES[worst]} ({signed(effects[worst]['change'], score)}{unit})"
    changes = f"change most with {NAMES[moved]}" if effects[moved]["moved"] else "never change"
    return f"loses {loses}; its answers {changes}."


def plural(number: int, noun: str) -> str:
    """1 model, 9 models, 3 classes"""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def group_marks(groups: list[list[str]]) -> list[str]:
    """A mark for each group: A to Z, then A1 to Z1, and so on."""
    return [f"{chr(ord('A') + index % 26)}{index // 26 or ''}" for index in range(len(groups))]


def group_letters(groups: list[list[str]], names: list[str]) -> dict[str, str]:
    """By name of a model, the marks of its groups; models that share a mark cannot be told apart."""
    marked = list(zip(group_marks(groups), groups, strict=True))
    return {name: " ".join(mark for mark, group in marked if name in group) for name in names}


def models_by_class(predictions: dict[str, str], labels: list[str]) -> list[tuple[str, list[str]]]:
    """(prediction, names of the models that made it) for each prediction: classes in the order of `labels`, others."""
    kinds = dict.fromkeys([*labels, *predictions.values()])
    chosen = [(kind, [name for name, given in predictions.items() if given == kind]) for kind in kinds]
    return [(label, names) for label, names in chosen if names]
