"""What was found of a model on changed texts, as lines for a terminal."""

from collections.abc import Sequence

from sentiment_hf.robustness.kept import Effect, Negations, Robustness
from sentiment_hf.robustness.names import NAMES, NEGATION, by_reason
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.task import Score, Task, with_digits


def lines_of(name: str, found: Robustness, task: Task) -> list[str]:
    """A table of the perturbations under a line on the model, then the negations and what was left out."""
    score = task.ranking
    header = ("", score.name, "change (95 % interval)", answers_that_move(task), "texts changed")
    rows = [header, *(cells(key, effect, task) for key, effect in found.effects.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{name}  {score.name} {score.shown(found.score)} on {found.rows:,} test rows"]
    for first, *others in rows:
        line = [f"{first:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))]
        lines.append(f"  {'  '.join(line)}".rstrip())
    lines += [f"  {negations_in_words(found.negations)}"] if found.negations else []
    return lines + [f"  left out: {', '.join(names)}: {why}" for why, names in by_reason(found.left_out).items()]


def cells(key: str, effect: Effect, task: Task) -> Sequence[str]:
    """The cells of a perturbation in the table of a model."""
    low, high = (signed(bound, task.ranking) for bound in effect.interval)
    is_number = task.name == Regression.name
    moved = f"{with_digits(effect.moved, 3)} sd" if is_number else f"{effect.moved:.1%}"
    change = f"{signed(effect.change, task.ranking)} ({low} to {high})"
    return (NAMES[key], task.ranking.shown(effect.score), change, moved, f"{effect.changed:,}")


def answers_that_move(task: Task) -> str:
    """What the share or amount of changed answers is called."""
    return "moves by" if task.name == Regression.name else "answers that flip"


def signed(difference: float, score: Score) -> str:
    """A difference of two values of a score with its sign, of shares in percentage points."""
    text = f"{100 * difference:+.1f}" if score.unit == "%" else f"{difference:+.3g}"
    return text.lstrip("+-") if float(text) == 0 else text


def negations_in_words(found: Negations) -> str:
    """What was found on the written pairs."""
    return (
        f"{NEGATION}: of {found.pairs} sentences {found.right} right, with a negation {found.negated_right}, "
        f"both {found.both_right}; the answer flips in {found.flipped}"
    )
