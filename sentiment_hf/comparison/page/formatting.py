"""Numbers as a reader wants them in a table: percents, points, three digits, thousands; a dash for what is unknown."""

from collections.abc import Callable

MISSING = "–"
MINUS = "−"


def percent(rate: float | None) -> str:
    """0.8940 -> 89.40, for a column whose header says %."""
    return MISSING if rate is None else f"{100 * rate:.2f}"


def decimals(value: float | None) -> str:
    """A loss with three decimals."""
    return MISSING if value is None else f"{value:.3f}"


def amount(value: float | None) -> str:
    """A measured quantity: 0.05, 13.2, 51,632; what would round to nothing is < 0.01."""
    if value is None:
        return MISSING
    if 0 < value < 0.005:
        return "< 0.01"
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def megabytes(size: int | None) -> str:
    """Bytes in units of 10^6."""
    return MISSING if size is None else amount(size / 1e6)


def count(value: int | None) -> str:
    """22,713,986"""
    return MISSING if value is None else f"{value:,}"


def signed_points(difference: float) -> str:
    """A difference of two rates in percentage points, with its sign."""
    text = f"{100 * abs(difference):.2f}"
    return text if text == "0.00" else f"{MINUS if difference < 0 else '+'}{text}"


def p_value(p: float) -> str:
    """p < 0.001, p = 0.021, p = 0.21"""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.0995 else f"p = {p:.2f}"


def excerpt(text: str, length: int = 500) -> str:
    """The first words of a long text, which then ends in a mark."""
    return text if len(text) <= length else f"{text[:length].rsplit(maxsplit=1)[0]} […]"


def with_interval(score: dict | None, shape: Callable[[float], str]) -> str:
    """90.65, 90.29 to 91.01: each number in the shape of a function of this file."""
    if score is None:
        return MISSING
    value, low, high = (shape(score[key]) for key in ("value", "low", "high"))
    return f"{value}, {low} to {high}"


def plural(number: int, noun: str) -> str:
    """1 model, 9 models, 3 classes"""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def group_marks(groups: list[list[str]]) -> list[str]:
    """A letter for each group: A to Z, then A1 to Z1, and so on."""
    return [f"{chr(ord('A') + index % 26)}{index // 26 or ''}" for index in range(len(groups))]


def group_letters(groups: list[list[str]], names: list[str]) -> dict[str, str]:
    """Name of a model to the letters of its groups: models that share one cannot be told apart."""
    marked = list(zip(group_marks(groups), groups, strict=True))
    return {name: " ".join(mark for mark, group in marked if name in group) for name in names}


def models_by_class(predictions: dict[str, str], labels: list[str]) -> list[tuple[str, list[str]]]:
    """(class, names of the models that chose it), in the order of the classes."""
    chosen = [(label, [name for name, given in predictions.items() if given == label]) for label in labels]
    return [(label, names) for label, names in chosen if names]
